"""How likely a text is: the log-probability of each of its tokens, given those before."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from jupyter_uml.engine.embedder import check_tokens
from jupyter_uml.engine.lora import Adapters
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.side_context import BATCH, Floats, Piece, SideContext

LOGITS_BYTES = 64 << 20  # of the logits of one batch: a row for each token, a column for each of the vocabulary


class Scorer:
    """Scores texts of up to `n_ctx` tokens with a context of its own, which is made at first use."""

    def __init__(self, model: Model, n_ctx: int, n_threads: int, *, adapters: Adapters | None = None) -> None:
        self._model, self._n_ctx, self._n_threads, self._adapters = model, n_ctx, n_threads, adapters
        self._n_batch = min(BATCH, max(1, LOGITS_BYTES // (4 * model.n_vocab)))
        self._context: SideContext | None = None

    def close(self) -> None:
        if self._context is not None:
            self._context.close()
            self._context = None

    def score(self, tokens: Sequence[int]) -> Floats:
        """What `steps` returns, at once."""
        return np.concatenate([np.zeros(0, np.float32), *self.steps(tokens)])

    def steps(self, tokens: Sequence[int]) -> Generator[Floats, None, None]:
        """Natural logarithms of the probabilities of `tokens[1:]`, float32, batch by batch: nothing precedes the first.

        Only one such generator may be under way at a time. Closing it gives the work up.

        Raises:
            InvalidRequest: there are no tokens, or unknown ones.
            ContextLengthExceeded: more than the context holds.
        """
        check_tokens(self._model, tokens, self._n_ctx)
        context = self._made()
        context.forget()
        for start in range(0, len(tokens) - 1, self._n_batch):
            end = min(start + self._n_batch, len(tokens) - 1)
            logits = context.logits(context.decode([Piece(0, start, list(tokens[start:end]))]))
            yield _log_probabilities(logits, np.asarray(tokens[start + 1 : end + 1]))

    def _made(self) -> SideContext:
        if self._context is None:
            self._context = SideContext(
                self._model,
                n_ctx=self._n_ctx,
                n_batch=self._n_batch,
                n_threads=self._n_threads,
                adapters=self._adapters,
            )
        return self._context


def _log_probabilities(logits: Floats, chosen: NDArray[np.int64]) -> Floats:
    """Of the chosen columns, under the softmax of each row; row by row, so that nothing as large is made again."""
    result = np.empty(len(chosen), np.float32)
    for row, (values, column) in enumerate(zip(logits, chosen, strict=True)):
        highest = values.max()
        result[row] = values[column] - highest - np.log(np.exp(values - highest).sum(dtype=np.float64))
    return result
