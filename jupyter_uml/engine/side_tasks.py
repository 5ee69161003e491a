"""How each kind of side request is worked off: generators that compute a batch, then let others have their turns.

A request is bounded here before anything is made of it, wherever it came from.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import TypeVar

from jupyter_uml.engine.embedder import Embedder, InputTooLong, check_known, check_tokens
from jupyter_uml.engine.lora import Adapters
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.prompt import PLAUSIBLE_TOKEN_BYTES
from jupyter_uml.engine.purpose import check_writes
from jupyter_uml.engine.rank_prompt import rank_prompt
from jupyter_uml.engine.scorer import Scorer
from jupyter_uml.engine.side_context import Floats
from jupyter_uml.engine.spelling import Spelling
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import (
    MAX_INPUTS,
    EmbedRequest,
    RankRequest,
    Rows,
    ScoreRequest,
    Scores,
    SideResult,
    Tokenized,
    TokenizeRequest,
)

TOKENIZED_AT_ONCE = 1 << 16  # bytes of text, or tokens, between two turns of others
MOST_TEXT = 1 << 20  # bytes of text, or tokens, in a request that tokenizes: no context limits it
LONGEST_TEXT = 1 << 18  # bytes of one text of it, which is tokenized at one stroke, for a quarter of a second

Input = str | tuple[int, ...]
Text = TypeVar("Text", bound=Input)
Task = EmbedRequest | RankRequest | ScoreRequest | TokenizeRequest
# What is yielded: whether others of its kind may go on before this one does.
Steps = Generator[bool, None, SideResult]


class SideTasks:
    """What one model computes beside answers. Its contexts cost memory only once they are used."""

    def __init__(self, model: Model, n_ctx: int, n_threads: int, adapters: Adapters | None = None) -> None:
        self._model, self._n_ctx = model, n_ctx
        self._embedder = Embedder(model, n_ctx, n_threads, adapters=adapters)
        self._scorer = Scorer(model, n_ctx, n_threads, adapters=adapters)
        self._spelling = Spelling(model)

    def close(self) -> None:
        self._embedder.close()
        self._scorer.close()

    def steps(self, task: Task) -> Steps:
        """Work off `task`.

        Raises:
            InvalidRequest: nothing, or too much, or what this model does not know or cannot do.
            ContextLengthExceeded: a text is longer than what can be computed together.
        """
        match task:
            case EmbedRequest():
                return self._embed(task)
            case RankRequest():
                return self._rank(task)
            case ScoreRequest():
                return self._score(task)
            case TokenizeRequest():
                return self._tokenize(task)

    def text(self, tokens: Sequence[int]) -> str:
        """What these tokens stand for, control tokens written out."""
        return b"".join(self._spelling.pieces(tokens)).decode(errors="replace")

    def _embed(self, task: EmbedRequest) -> Steps:
        if (task.pooling or self._embedder.pooling) == "rank":
            raise InvalidRequest(f"{self._model.spec.id} ranks texts for a query. Ask it at v1/rerank.", param="model")
        texts = yield from self._tokenized(self._bounded(task.inputs))
        table = yield from self._embedder.steps(
            texts, task.pooling, normalize=task.normalize, dimensions=task.dimensions
        )
        return Rows(task.id, _bytes(table), _count(texts))

    def _rank(self, task: RankRequest) -> Steps:
        self._embedder.check_pooling("rank")
        self._check_size(task.query, 0, "query")
        pairs, pace = list[list[int]](), _Pace()
        for index, document in enumerate(self._bounded(task.documents, "documents")):
            pair = rank_prompt(self._model, task.query, document)
            check_tokens(self._model, pair, self._embedder.n_ctx, index, "documents")
            pairs.append(pair)
            if pace.rests_after(_size(task.query) + _size(document)):
                yield True
        table = yield from self._embedder.steps(pairs, "rank")
        return Rows(task.id, _bytes(table), _count(pairs))

    def _score(self, task: ScoreRequest) -> Steps:
        check_writes(self._model)
        texts = yield from self._tokenized(self._bounded(task.inputs))
        logprobs = yield from self._scorer.steps(texts, task.top)
        return Scores(task.id, tuple(map(tuple, logprobs)), _count(texts))

    def _tokenize(self, task: TokenizeRequest) -> Steps:
        _check_count(task.inputs, "input")
        _check_total(task.inputs)
        for index, each in enumerate(task.inputs):
            if not isinstance(each, str):
                check_known(self._model, each, index)
        texts = yield from self._tokenized(task.inputs, add_special=task.add_special, parse_special=task.parse_special)
        pieces, pace = list[tuple[bytes, ...]](), _Pace()
        for text in texts:
            pieces.append(self._spelling.pieces(text))
            if pace.rests_after(len(text)):
                yield True
        return Tokenized(task.id, tuple(map(tuple, texts)), tuple(pieces))

    def _bounded(self, inputs: Sequence[Text], param: str = "input") -> Sequence[Text]:
        """The inputs, none of which is longer than the context by its length alone: those are never tokenized."""
        _check_count(inputs, param)
        for index, each in enumerate(inputs):
            if isinstance(each, str):
                self._check_size(each, index, param)
        return inputs

    def _check_size(self, text: str, index: int, param: str) -> None:
        size = _size(text)
        if size > self._n_ctx * PLAUSIBLE_TOKEN_BYTES:
            least = -(-size // self._model.longest_piece)
            if least > self._n_ctx:
                raise InputTooLong(index, least, self._n_ctx, param)

    def _tokenized(
        self, inputs: Iterable[Input], *, add_special: bool = True, parse_special: bool = False
    ) -> Generator[bool, None, list[Sequence[int]]]:
        texts, pace = list[Sequence[int]](), _Pace()
        for each in inputs:
            if isinstance(each, str):
                texts.append(self._model.tokenize(each, add_special=add_special, parse_special=parse_special))
            else:
                texts.append(each)
            if pace.rests_after(_size(each)):
                yield True
        return texts


class _Pace:
    """Says when it is the others' turn again."""

    def __init__(self) -> None:
        self._done = 0

    def rests_after(self, size: int) -> bool:
        self._done += size
        if self._done <= TOKENIZED_AT_ONCE:
            return False
        self._done = 0
        return True


def _check_count(inputs: Sequence[Input], param: str) -> None:
    if not 1 <= len(inputs) <= MAX_INPUTS:
        raise InvalidRequest(f"There must be between 1 and {MAX_INPUTS} texts, not {len(inputs)}.", param=param)


def _check_total(inputs: Sequence[Input]) -> None:
    if sum(map(_size, inputs)) > MOST_TEXT:
        raise InvalidRequest(f"At most {MOST_TEXT} bytes of text, or tokens, are taken at once.", param="input")
    if any(isinstance(each, str) and _size(each) > LONGEST_TEXT for each in inputs):
        raise InvalidRequest(f"A text has more than {LONGEST_TEXT} bytes. Send it in parts.", param="input")


def _size(each: Input) -> int:
    return len(each.encode(errors="replace")) if isinstance(each, str) else len(each)


def _bytes(table: Floats) -> tuple[bytes, ...]:
    return tuple(row.tobytes() for row in table)


def _count(texts: Iterable[Sequence[int]]) -> int:
    return sum(map(len, texts))
