"""Embeddings of whole texts, and scores of pairs of texts, from a context of their own beside the one that generates.

Token embeddings are pooled here rather than in llama.cpp: so one context serves every kind of pooling, and a long text
of a causal model can be computed in parts. Work is cut into steps, between which answers under way get their turns.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np

from jupyter_uml.engine.lora import Adapters
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.purpose import is_causal
from jupyter_uml.engine.side_context import BATCH, Floats, Piece, SideContext, embedding_width
from jupyter_uml.errors import ContextLengthExceeded, EngineError, InvalidRequest, UmlError
from jupyter_uml.types import Pooling

SEQUENCES = 32  # texts in one batch, at most


class Embedder:
    """One model's embeddings. Its context is made at first use and grows with the longest text.

    Args:
        n_ctx: tokens of the longest text, at most; also limited by what the model was trained for.
        n_batch: tokens computed in one step. A longer text of an encoder takes a longer step: it cannot be cut.
    """

    def __init__(
        self, model: Model, n_ctx: int, n_threads: int, *, n_batch: int = BATCH, adapters: Adapters | None = None
    ) -> None:
        self._model, self._n_threads, self._n_batch, self._adapters = model, n_threads, n_batch, adapters
        self.n_ctx = min(n_ctx, model.info.n_ctx_train)
        self._whole = not is_causal(model)
        self.pooling: Pooling = model.info.pooling or "mean"
        self._context: SideContext | None = None
        self._ranks = False  # whether the context is one for rank pooling

    def close(self) -> None:
        if self._context is not None:
            self._context.close()
            self._context = None

    def embed(
        self,
        inputs: Sequence[Sequence[int]],
        pooling: Pooling | None = None,
        *,
        normalize: bool = True,
        dimensions: int | None = None,
    ) -> Floats:
        """What `steps` returns, at once."""
        steps = self.steps(inputs, pooling, normalize=normalize, dimensions=dimensions)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                result: Floats = end.value
                return result

    def steps(
        self,
        inputs: Sequence[Sequence[int]],
        pooling: Pooling | None = None,
        *,
        normalize: bool = True,
        dimensions: int | None = None,
    ) -> Generator[bool, None, Floats]:
        """Embeddings of tokenized texts, shape (inputs, n_embd), float32.

        Yields after each decode; False in the middle of a long text, when no other such generator may go on before this
        one does. Closing it gives the work up.

        Args:
            pooling: None takes the model's own. "rank" gives a classifier's scores, shape (inputs, labels), as is.
            normalize: to length 1.
            dimensions: only so many of the first columns, for models that were trained for it (Matryoshka).

        Raises:
            InvalidRequest: an empty text, an unknown token, too many dimensions, or a model that cannot rank.
            ContextLengthExceeded: a text is longer than the context.
        """
        pooling = pooling or self.pooling
        self._check(inputs, pooling, dimensions)
        if not inputs:
            return np.zeros((0, 0), np.float32)
        rows: list[Floats] = [np.zeros(0, np.float32)] * len(inputs)
        for group in self._grouped(inputs):
            # Asked for anew each time: another generator may have had it made larger since.
            context = self._context_for(max(map(len, inputs)), rank=pooling == "rank")
            pooled = yield from self._compute(context, [inputs[index] for index in group], pooling)
            for index, row in zip(group, pooled, strict=True):
                rows[index] = row
        table = np.stack(rows)
        if not np.isfinite(table).all():
            raise EngineError("The model's weights give numbers that are not finite.")
        return table if pooling == "rank" else _finished(table, normalize, dimensions)

    def _compute(
        self, context: SideContext, texts: list[Sequence[int]], pooling: Pooling
    ) -> Generator[bool, None, list[Floats]]:
        context.forget()
        if len(texts[0]) > context.n_batch:  # such a text is alone in its group
            return [(yield from _in_parts(context, list(texts[0]), pooling))]
        count = context.decode([Piece(sequence, 0, list(text)) for sequence, text in enumerate(texts)])
        if pooling == "rank":
            pooled = list(context.scores(len(texts)))
        else:
            ends = np.cumsum([len(text) for text in texts])[:-1]
            pooled = [_pooled(part, pooling) for part in np.split(context.token_embeddings(count), ends)]
        yield True
        return pooled

    def _grouped(self, inputs: Sequence[Sequence[int]]) -> list[list[int]]:
        """Indices of the inputs by batch: texts of like length together, as many as there is room for."""
        groups: list[list[int]] = []
        room = 0
        for index in sorted(range(len(inputs)), key=lambda index: len(inputs[index])):
            size = len(inputs[index])
            if size > room or len(groups[-1]) == SEQUENCES:
                groups.append([])
                room = max(self._n_batch, size)
            groups[-1].append(index)
            room -= size
        return groups

    def _context_for(self, longest: int, *, rank: bool) -> SideContext:
        needed = min(self.n_ctx, 1 << (max(self._n_batch, longest) - 1).bit_length())
        if self._context is not None and (self._context.n_ctx < needed or self._ranks is not rank):
            self.close()
        if self._context is None:
            self._ranks = rank
            self._context = SideContext(
                self._model,
                n_ctx=max(needed, self._n_batch),
                n_batch=max(needed, self._n_batch) if self._whole or rank else self._n_batch,
                n_seq=SEQUENCES,
                n_threads=self._n_threads,
                embeddings=True,
                rank=rank,
                adapters=self._adapters,
            )
        return self._context

    def check_pooling(self, pooling: Pooling) -> None:
        """Raise `InvalidRequest` where this model cannot pool so."""
        if pooling == "rank" and self._model.info.pooling != "rank":
            raise InvalidRequest(
                f"{self._model.spec.id} has no classifier that could rank texts. Name a reranking model, or compare "
                "the texts' embeddings.",
                param="model",
            )

    def _check(self, inputs: Sequence[Sequence[int]], pooling: Pooling, dimensions: int | None) -> None:
        self.check_pooling(pooling)
        width = embedding_width(self._model)
        if dimensions is not None and not 1 <= dimensions <= width:
            raise InvalidRequest(f"This model's embeddings have {width} dimensions.", param="dimensions")
        for index, tokens in enumerate(inputs):
            check_tokens(self._model, tokens, self.n_ctx, index)


class InputTooLong(ContextLengthExceeded):
    """A text that would have to be cut. `index`: which one of the request's."""

    def __init__(self, index: int, tokens: int, room: int, param: str = "input") -> None:
        UmlError.__init__(
            self,
            f"Text {index} has {tokens} tokens and at most {room} can be computed together. Send it in parts, or load "
            "the model with a larger n_ctx if it was trained for one.",
            param=param,
            prompt_tokens=tokens,
            context_tokens=room,
        )


def check_tokens(model: Model, tokens: Sequence[int], n_ctx: int, index: int, param: str = "input") -> None:
    """Raise `InvalidRequest` or `InputTooLong` for tokens that could not be computed, of the text number `index`."""
    if not tokens:
        raise InvalidRequest(f"Text {index} is empty.", param=param)
    if len(tokens) > n_ctx:
        raise InputTooLong(index, len(tokens), n_ctx, param)
    check_known(model, tokens, index, param)


def check_known(model: Model, tokens: Sequence[int], index: int, param: str = "input") -> None:
    """Raise `InvalidRequest` for tokens that the model does not have."""
    if tokens and not 0 <= min(tokens) <= max(tokens) < model.n_vocab:
        raise InvalidRequest(f"Text {index} has a token outside the vocabulary of {model.n_vocab}.", param=param)


def _in_parts(context: SideContext, text: list[int], pooling: Pooling) -> Generator[bool, None, Floats]:
    """The pooled embedding of a text that is longer than a batch, of a causal model."""
    total: Floats | None = None
    for start in range(0, len(text), context.n_batch):
        part = text[start : start + context.n_batch]
        rows = context.token_embeddings(context.decode([Piece(0, start, part)]))
        if pooling == "mean":
            total = rows.sum(axis=0) if total is None else total + rows.sum(axis=0)
        elif pooling == "last" or total is None:
            total = _pooled(rows, pooling)
        yield start + len(part) == len(text)
    assert total is not None
    return total / np.float32(len(text)) if pooling == "mean" else total


def _pooled(rows: Floats, pooling: Pooling) -> Floats:
    row: Floats = rows.mean(axis=0) if pooling == "mean" else rows[0 if pooling == "cls" else -1].copy()
    return row


def _finished(table: Floats, normalize: bool, dimensions: int | None) -> Floats:
    if dimensions is not None:
        table = table[:, :dimensions]
    if normalize:
        lengths: Floats = np.linalg.norm(table, axis=1, keepdims=True)
        table /= np.maximum(lengths, np.float32(1e-12))
    return table
