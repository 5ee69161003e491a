"""Rows of embeddings among a prompt's tokens: what stands for them there, and where they stand. Pure.

In a list of tokens each row is a pseudo token: a negative number, made from what the image is, so that equal images are
found again like equal texts. Rows of some models have two dimensions: what follows them then comes fewer positions
later than there are rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_DIMENSIONS = 3  # time, height and width; M-RoPE has room for a fourth one that is always 0

Layout = npt.NDArray[np.int32]  # (dimensions, rows): positions, relative to the first row's


@dataclass(frozen=True, slots=True, eq=False)
class ImageRows:
    """The rows of an image, or of one of the parts that a projector cuts it into.

    What follows comes `n_positions` positions later. `whole`: the rows see each other, so they are computed together.
    """

    image: bytes
    digest: bytes  # of the image
    part: int  # its number among the pieces of the image
    tokens: tuple[int, ...]
    n_positions: int
    layout: Layout
    whole: bool


Piece = list[int] | ImageRows  # tokens of a text, or rows of an image


@dataclass(frozen=True, slots=True)
class PlacedRows:
    """Rows, and the index of the first one among the tokens of a prompt."""

    start: int
    rows: ImageRows

    @property
    def end(self) -> int:
        return self.start + len(self.rows.tokens)


class ImagePlaces:
    """Where images stand in one sequence, and which cuts and positions follow from that. Falsy without images."""

    def __init__(self, placed: Iterable[PlacedRows] = ()) -> None:
        self._placed = tuple(placed)

    def __len__(self) -> int:
        return len(self._placed)

    def __iter__(self) -> Iterator[PlacedRows]:
        return iter(self._placed)

    @property
    def end(self) -> int:
        """Behind the last image there are only tokens."""
        return self._placed[-1].end if self._placed else 0

    def at(self, index: int) -> PlacedRows | None:
        """The image of which this is a row."""
        return next((placed for placed in self._placed if placed.start <= index < placed.end), None)

    def border(self, index: int) -> int | None:
        """Where tokens and rows meet next behind this index."""
        return next((end for placed in self._placed for end in (placed.start, placed.end) if end > index), None)

    def least(self, index: int) -> int:
        """How many rows from this one on must be computed together, at least."""
        placed = self.at(index)
        return placed.end - index if placed is not None and placed.rows.whole else 1

    def before(self, index: int) -> int:
        """The index, or that of the first row where it lies inside of an image."""
        placed = self.at(index)
        return placed.start if placed is not None else index

    def position(self, index: int) -> int:
        """At which position the token with this index stands, or the image of which it is a row."""
        passed = [placed.rows for placed in self._placed if placed.end <= index]
        return self.before(index) - sum(len(rows.tokens) - rows.n_positions for rows in passed)

    def positions(self, index: int, count: int) -> Layout:
        """Those of so many rows of an image from this one on, in each of its dimensions."""
        placed = self.at(index)
        assert placed is not None
        begin = index - placed.start
        positions = np.array(placed.rows.layout[:, begin : begin + count], order="C")
        positions[:_DIMENSIONS] += self.position(index)
        return positions


def is_token(number: int) -> bool:
    """Not a pseudo token."""
    return number >= 0


def place(pieces: Iterable[Piece]) -> tuple[list[int], ImagePlaces]:
    """All tokens and pseudo tokens in order, and where the images are among them."""
    tokens: list[int] = []
    placed: list[PlacedRows] = []
    for piece in pieces:
        if isinstance(piece, ImageRows):
            placed.append(PlacedRows(len(tokens), piece))
            tokens += piece.tokens
        else:
            tokens += piece
    return tokens, ImagePlaces(placed)


def pseudo_tokens(seed: bytes, count: int) -> tuple[int, ...]:
    """For rows of what the seed tells from all others. They fit into 32 bits."""
    numbers = np.frombuffer(hashlib.shake_256(seed).digest(4 * count), np.uint32) >> 1
    return tuple((-1 - numbers.astype(np.int64)).tolist())
