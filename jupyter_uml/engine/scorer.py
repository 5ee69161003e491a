"""How likely a text is: the log-probability of each of its tokens, given those before."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from jupyter_uml.engine.embedder import check_tokens
from jupyter_uml.engine.logprobs import token_logprob
from jupyter_uml.engine.lora import Adapters
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.side_context import BATCH, Piece, SideContext
from jupyter_uml.engine.spelling import Spelling
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import MAX_TOP_LOGPROBS, TokenLogprob

LOGITS_BYTES = 64 << 20  # of the logits of one batch: a row for each token, a column for each of the vocabulary
MOST = 1 << 18  # log-probabilities in one result, alternatives included: some 10 MB on their way


class Scorer:
    """Scores texts of up to `n_ctx` tokens with a context of its own, which is made at first use."""

    def __init__(self, model: Model, n_ctx: int, n_threads: int, *, adapters: Adapters | None = None) -> None:
        self._model, self._n_ctx, self._n_threads, self._adapters = model, n_ctx, n_threads, adapters
        self._n_batch = min(BATCH, max(1, LOGITS_BYTES // (4 * model.n_vocab)))
        self._written = Spelling(model).written
        self._context: SideContext | None = None

    def close(self) -> None:
        if self._context is not None:
            self._context.close()
            self._context = None

    def steps(self, texts: Sequence[Sequence[int]], top: int = 0) -> Generator[bool, None, list[list[TokenLogprob]]]:
        """For each text the log-probabilities of all its tokens but the first, which nothing precedes.

        Yields after each decode; True where the text is done, and another such generator may go on before this one.
        Closing it gives the work up.

        Args:
            top: so many of the likeliest tokens at each place are told, too.

        Raises:
            InvalidRequest: a text has no tokens, or unknown ones; `top` is out of bounds, or too much for all of them.
            ContextLengthExceeded: a text is longer than the context.
        """
        self._check(texts, top)
        result: list[list[TokenLogprob]] = []
        for text in texts:
            found: list[TokenLogprob] = []
            self._made().forget()
            for start in range(0, len(text) - 1, self._n_batch):
                end = min(start + self._n_batch, len(text) - 1)
                found += self._scored(text, start, end, top)
                yield end == len(text) - 1
            result.append(found)
        return result

    def _scored(self, text: Sequence[int], start: int, end: int, top: int) -> list[TokenLogprob]:
        context = self._made()
        rows = context.logits(context.decode([Piece(0, start, list(text[start:end]))]))
        following = text[start + 1 : end + 1]
        return [token_logprob(row, token, top, self._written) for row, token in zip(rows, following, strict=True)]

    def _check(self, texts: Sequence[Sequence[int]], top: int) -> None:
        if not 0 <= top <= MAX_TOP_LOGPROBS:
            raise InvalidRequest(f"At most {MAX_TOP_LOGPROBS} alternatives of a token are told.", param="top")
        for index, tokens in enumerate(texts):
            check_tokens(self._model, tokens, self._n_ctx, index)
        count = sum(map(len, texts)) * (1 + top)
        if count > MOST:
            raise InvalidRequest(
                f"These are {count} log-probabilities, and one request is told at most {MOST}. "
                "Send fewer texts, or ask for fewer alternatives.",
                param="input",
            )

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
