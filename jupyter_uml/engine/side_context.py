"""A context beside the one that generates, on the same weights, where every token of a batch gives an output row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from jupyter_uml.engine import llama_log
from jupyter_uml.engine.lora import Adapters
from jupyter_uml.engine.model import Model
from jupyter_uml.errors import EngineError, ModelLoadFailed

BATCH = 128  # tokens computed at one stroke: as fast as more, and answers under way wait for no longer than that
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens of one sequence, from position `start` on."""

    sequence: int
    start: int
    tokens: list[int]


class SideContext:
    """`n_ctx` tokens shared by up to `n_seq` sequences; `n_batch` tokens in one decode. `rank`: a classifier's scores.

    Raises:
        ModelLoadFailed: no such context could be made.
    """

    def __init__(
        self,
        model: Model,
        *,
        n_ctx: int,
        n_batch: int,
        n_threads: int,
        n_seq: int = 1,
        embeddings: bool = False,
        rank: bool = False,
        adapters: Adapters | None = None,
    ) -> None:
        self._model, self.n_ctx, self.n_batch = model, n_ctx, n_batch
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_seq_max, params.kv_unified = n_ctx, n_seq, True
        # What is not causal cannot be computed in parts: the whole batch has to be one of llama.cpp's own.
        params.n_batch = params.n_ubatch = n_batch
        params.n_threads = params.n_threads_batch = n_threads
        params.embeddings = embeddings
        params.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_RANK if rank else llama_cpp.LLAMA_POOLING_TYPE_NONE
        llama_log.forget()
        self._handle = llama_cpp.llama_init_from_model(model.handle, params)
        if not self._handle:
            raise ModelLoadFailed(f"{model.spec.id}: no context could be made: {llama_log.first_error()}.")
        model.pulse.attach(self._handle)
        self._batch = llama_cpp.llama_batch_init(n_batch, 0, 1)
        if adapters is not None:
            adapters.apply(self._handle)

    def close(self) -> None:
        if self._handle:
            llama_cpp.llama_batch_free(self._batch)
            llama_cpp.llama_free(self._handle)
            self._handle = None

    def decode(self, pieces: Iterable[Piece]) -> int:
        """Compute at most `n_batch` tokens; returns how many they were. Each gives a row, in the order given.

        Raises:
            EngineError: llama.cpp refused the batch.
        """
        n_tokens = self._fill(pieces)
        status = llama_cpp.llama_decode(self._handle, self._batch)  # of an encoder, this is `llama_encode`
        if status != 0:
            raise EngineError(f"llama.cpp could not compute this batch (status {status}).", status=status)
        return n_tokens

    def forget(self) -> None:
        """Empty the memory of all sequences; an encoder has none."""
        if memory := llama_cpp.llama_get_memory(self._handle):
            llama_cpp.llama_memory_clear(memory, False)

    def logits(self, n_tokens: int) -> Floats:
        """Shape (n_tokens, n_vocab); valid until the next decode."""
        return _view(llama_cpp.llama_get_logits(self._handle), n_tokens, self._model.n_vocab)

    def token_embeddings(self, n_tokens: int) -> Floats:
        """Shape (n_tokens, n_embd); valid until the next decode."""
        return _view(llama_cpp.llama_get_embeddings(self._handle), n_tokens, embedding_width(self._model))

    def scores(self, n_seq: int) -> Floats:
        """Shape (n_seq, labels of the classifier), where the context was made with `rank`."""
        width = llama_cpp.llama_model_n_cls_out(self._model.handle)
        rows = [llama_cpp.llama_get_embeddings_seq(self._handle, sequence) for sequence in range(n_seq)]
        return np.concatenate([_view(row, 1, width) for row in rows])

    def _fill(self, pieces: Iterable[Piece]) -> int:
        token, pos, sequence = (
            _view(getattr(self._batch, name), 1, self.n_batch)[0] for name in ("token", "pos", "n_seq_id")
        )
        output = _view(self._batch.logits, 1, self.n_batch)[0]
        end = 0
        for piece in pieces:
            begin, end = end, end + len(piece.tokens)
            token[begin:end] = piece.tokens
            pos[begin:end] = np.arange(piece.start, piece.start + len(piece.tokens))
            for row in range(begin, end):
                self._batch.seq_id[row][0] = piece.sequence
        sequence[:end] = output[:end] = 1
        self._batch.n_tokens = end
        return end


def _view(pointer: Any, rows: int, columns: int) -> NDArray[Any]:
    if not pointer:
        raise EngineError("llama.cpp gave no output.")
    return np.ctypeslib.as_array(pointer, (rows, columns))


def embedding_width(model: Model) -> int:
    """Numbers in an embedding."""
    return int(llama_cpp.llama_model_n_embd_out(model.handle))
