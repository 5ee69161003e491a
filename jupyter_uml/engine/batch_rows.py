"""From slices of sequences to the rows of a batch, and back."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_uml.engine.context import ImageRow, Logits, Row
from jupyter_uml.engine.image_rows import PlacedRows
from jupyter_uml.engine.projector import Embeddings
from jupyter_uml.engine.scheduler import Batch, Slice
from jupyter_uml.engine.sequence import Sequence


def row_of(piece: Slice[Sequence]) -> Row:
    """The tokens of a slice, and the guesses about what follows them."""
    sequence, start = piece.sequence, piece.sequence.computed
    assert sequence.slot is not None
    tokens = sequence.tokens[start : start + piece.n_tokens] + sequence.drafts
    return Row(sequence.slot, sequence.images.position(start), tokens, (1 + len(sequence.drafts)) if piece.last else 0)


def image_row_of(piece: Slice[Sequence], placed: PlacedRows, embeddings: Embeddings) -> ImageRow:
    """Those of an image's embeddings that are a slice's."""
    sequence, start = piece.sequence, piece.sequence.computed
    assert sequence.slot is not None
    begin = start - placed.start
    own = embeddings[begin : begin + piece.n_tokens]
    positions = sequence.images.positions(start, piece.n_tokens)
    return ImageRow(sequence.slot, positions, own, causal=not placed.rows.whole)


def interruptible(batch: Batch[Sequence]) -> set[str]:
    """Whose abort may end the decode: prompts, which take long; an answer's only where no other loses by it."""
    return {piece.sequence.id for piece in batch if not piece.sequence.decoding or len(batch) == 1}


def by_piece(
    batch: Batch[Sequence], rows: list[Row], logits: list[Logits]
) -> Iterable[tuple[Slice[Sequence], list[Logits]]]:
    """Each slice with its own part of a batch's logits."""
    begin = 0
    for piece, row in zip(batch, rows, strict=True):
        yield piece, logits[begin : begin + row.n_logits]
        begin += row.n_logits
