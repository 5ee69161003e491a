"""What models answer beside texts: vectors, ranks, tokens. Read from the bodies of the endpoints. Pure."""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from jupyter_uml.errors import ConnectionFailed
from jupyter_uml.types import Usage

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class Embeddings(Sequence[list[float]]):
    """A vector for each text, in their order: as lists of numbers, or all together as `vectors`."""

    model: str
    usage: Usage
    _rows: tuple[array[float], ...]  # float32

    @property
    def dimensions(self) -> int:
        """Numbers in a vector."""
        return len(self._rows[0]) if self._rows else 0

    @property
    def vectors(self) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """A numpy array of float32: a row for each text. It may be written to."""
        import numpy as np

        return np.array(self._rows, np.float32).reshape(len(self), self.dimensions)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return self.vectors if dtype is None else self.vectors.astype(dtype)

    @overload
    def __getitem__(self, place: int) -> list[float]: ...
    @overload
    def __getitem__(self, place: slice) -> list[list[float]]: ...
    def __getitem__(self, place: int | slice) -> list[float] | list[list[float]]:
        if isinstance(place, slice):
            return [row.tolist() for row in self._rows[place]]
        return self._rows[place].tolist()

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<Embeddings: {len(self)} × {self.dimensions}, {self.model}>"


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document and how well it answers: from 0 to 1. `index` is its place among those that were sent."""

    index: int
    score: float
    document: str


@dataclass(frozen=True, slots=True)
class Ranking(Sequence[Ranked]):
    """Documents, the one that answers best first."""

    model: str
    usage: Usage
    rows: tuple[Ranked, ...]

    @overload
    def __getitem__(self, place: int) -> Ranked: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Ranked, ...]: ...
    def __getitem__(self, place: int | slice) -> Ranked | tuple[Ranked, ...]:
        return self.rows[place]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Ranked]:
        return iter(self.rows)


class Tokens(tuple[int, ...]):
    """The numbers of a text's tokens; `pieces` are the bytes of each, which may be a part of a character only."""

    pieces: tuple[bytes, ...]

    def __new__(cls, numbers: Sequence[int], pieces: Sequence[bytes]) -> Tokens:
        made = super().__new__(cls, numbers)
        made.pieces = tuple(pieces)
        return made

    def __repr__(self) -> str:
        shown = " ".join(repr(piece.decode(errors="replace")) for piece in self.pieces[:8])
        return f"<{len(self)} tokens: {shown}{' …' if len(self) > 8 else ''}>"


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model reads when it is sent a conversation. `text`: with control tokens written out."""

    text: str
    tokens: tuple[int, ...]


def _reader(read: Callable[..., T]) -> Callable[..., T]:
    """Such a body may come from another program than ours."""

    def checked(body: Mapping[str, Any], *more: Any) -> T:
        try:
            return read(body, *more)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ConnectionFailed("The server sent an answer of another shape than jupyter_uml's.") from error

    return checked


@_reader
def embeddings_from(body: Mapping[str, Any]) -> Embeddings:
    rows = sorted(body["data"], key=lambda row: int(row["index"]))
    return Embeddings(str(body["model"]), _usage(body), tuple(_floats(row["embedding"]) for row in rows))


def joined(parts: Sequence[Embeddings]) -> Embeddings:
    """Those of several requests as one."""
    usage = Usage(prompt_tokens=sum(part.usage.prompt_tokens for part in parts))
    return Embeddings(parts[0].model, usage, tuple(row for part in parts for row in part._rows))


@_reader
def ranking_from(body: Mapping[str, Any], documents: Sequence[str]) -> Ranking:
    rows = [(int(row["index"]), float(row["relevance_score"])) for row in body["results"]]
    return Ranking(
        str(body["model"]), _usage(body), tuple(Ranked(index, score, documents[index]) for index, score in rows)
    )


@_reader
def tokens_from(body: Mapping[str, Any]) -> Tokens:
    """Of a body that has the pieces of the tokens, too."""
    rows = body["tokens"]
    return Tokens([int(row["id"]) for row in rows], [_bytes(row["piece"]) for row in rows])


@_reader
def text_from(body: Mapping[str, Any]) -> str:
    return str(body["content"])


@_reader
def prompt_from(body: Mapping[str, Any]) -> Prompt:
    return Prompt(str(body["prompt"]), tuple(map(int, body["tokens"])))


def _usage(body: Mapping[str, Any]) -> Usage:
    return Usage(prompt_tokens=int((body.get("usage") or {}).get("prompt_tokens") or 0))


def _floats(sent: str | list[float]) -> array[float]:
    """As numbers, or as base64 of float32, little-endian."""
    if not isinstance(sent, str):
        return array("f", sent)
    values = array("f")
    values.frombytes(b64decode(sent))
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _bytes(piece: str | list[int]) -> bytes:
    return piece.encode() if isinstance(piece, str) else bytes(piece)
