"""What a model is asked for beside answers: embeddings, scores of pairs and of texts.

Requests are served in the order in which they came, one decode at a time, so that answers under way wait for one batch
at most. Their contexts cost memory only once they are used.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from jupyter_uml.engine.embedder import Embedder, Pooling
from jupyter_uml.engine.lora import Adapters
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.prompt import PLAUSIBLE_TOKEN_BYTES
from jupyter_uml.engine.rank_prompt import rank_prompt
from jupyter_uml.engine.scorer import Scorer
from jupyter_uml.engine.side_context import Floats
from jupyter_uml.errors import ContextLengthExceeded, UmlError

TOKENIZED_AT_ONCE = 1 << 18  # bytes of text

Input = str | Sequence[int]
Steps = Generator[None, None, "Rows"]


@dataclass(frozen=True, slots=True)
class Rows:
    """One row for each input: its embedding, its scores, or the log-probabilities of its tokens after the first."""

    values: list[Floats]
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a request."""

    request_id: str
    result: Rows | UmlError


class SideWork:
    """The queue of such requests for one model. Not thread-safe."""

    def __init__(self, model: Model, n_ctx: int, n_threads: int, adapters: Adapters | None = None) -> None:
        self._model, self._n_ctx = model, n_ctx
        self._embedder = Embedder(model, n_ctx, n_threads, adapters=adapters)
        self._scorer = Scorer(model, n_ctx, n_threads, adapters=adapters)
        self._queue: deque[tuple[str, Steps]] = deque()
        self._due = 0.0  # when the next batch may be computed beside answers

    @property
    def busy(self) -> bool:
        return bool(self._queue)

    def embed(
        self,
        request_id: str,
        inputs: Sequence[Input],
        pooling: Pooling | None = None,
        *,
        normalize: bool = True,
        dimensions: int | None = None,
    ) -> None:
        """Queue the embedding of texts or token lists; `Embedder.steps` says what may go wrong."""

        def steps() -> Steps:
            texts = yield from self._tokenized(inputs)
            table = yield from self._embedder.steps(texts, pooling, normalize=normalize, dimensions=dimensions)
            return Rows(list(table), _count(texts))

        self._queue.append((request_id, steps()))

    def rank(self, request_id: str, query: str, documents: Sequence[str]) -> None:
        """Queue the scores of documents for a query, by a model with a classifier; higher is better."""

        def steps() -> Steps:
            for text in (query, *documents):
                self._check_size(text)
            pairs = [rank_prompt(self._model, query, document) for document in documents]
            table = yield from self._embedder.steps(pairs, "rank")
            return Rows(list(table), _count(pairs))

        self._queue.append((request_id, steps()))

    def score(self, request_id: str, inputs: Sequence[Input]) -> None:
        """Queue the log-probabilities of the tokens of texts; `Scorer.steps` says what may go wrong."""

        def steps() -> Steps:
            texts = yield from self._tokenized(inputs)
            values = []
            for text in texts:
                values.append(np.concatenate([np.zeros(0, np.float32), *(yield from _each(self._scorer.steps(text)))]))
            return Rows(values, _count(texts))

        self._queue.append((request_id, steps()))

    def step(self, *, beside: bool = False) -> Finished | None:
        """Compute one batch of the oldest request; what ended with it, if anything did.

        `beside`: answers are under way, so take at most a quarter of the time.
        """
        if not self._queue or (beside and time.monotonic() < self._due):
            return None
        started = time.monotonic()
        finished = self._advance(*self._queue[0])
        if finished is not None:
            self._queue.popleft()
        self._due = time.monotonic() + 3 * (time.monotonic() - started)
        return finished

    @staticmethod
    def _advance(request_id: str, steps: Steps) -> Finished | None:
        try:
            next(steps)
        except StopIteration as end:
            return Finished(request_id, end.value)
        except UmlError as error:
            return Finished(request_id, error)
        return None

    def abort(self, request_id: str) -> bool:
        """Give a request up; whether there was one of this id."""
        kept = deque(entry for entry in self._queue if entry[0] != request_id)
        found = len(kept) < len(self._queue)
        self._queue = kept
        return found

    def close(self) -> None:
        self._queue.clear()
        self._embedder.close()
        self._scorer.close()

    def _tokenized(self, inputs: Sequence[Input]) -> Generator[None, None, list[Sequence[int]]]:
        texts: list[Sequence[int]] = []
        size = 0
        for each in inputs:
            if isinstance(each, str):
                size += self._check_size(each)
                texts.append(self._model.tokenize(each, add_special=True, parse_special=False))
            else:
                texts.append(each)
            if size > TOKENIZED_AT_ONCE:
                size = 0
                yield
        return texts

    def _check_size(self, text: str) -> int:
        """The text's bytes. Refuses one that cannot fit before it is tokenized."""
        size = len(text.encode(errors="replace"))
        if size > self._n_ctx * PLAUSIBLE_TOKEN_BYTES:
            least = -(-size // self._model.longest_piece)
            if least > self._n_ctx:
                raise ContextLengthExceeded(least, self._n_ctx, "input")
        return size


def _each(parts: Iterator[Floats]) -> Generator[None, None, list[Floats]]:
    done = []
    for part in parts:
        done.append(part)
        yield
    return done


def _count(texts: Sequence[Sequence[int]]) -> int:
    return sum(map(len, texts))
