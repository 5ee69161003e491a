"""The engine: requests in, chunks out, one `llama_decode` a step for all sequences together."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace

from jupyter_uml.engine.chat import MARK, ChatTemplate, guard
from jupyter_uml.engine.kv_cache import KvCache
from jupyter_uml.engine.model import BATCH, Context, Model, Row
from jupyter_uml.engine.output import TextStream
from jupyter_uml.engine.sampler import Sampler
from jupyter_uml.engine.scheduler import Slice, schedule
from jupyter_uml.engine.sequence import Sequence
from jupyter_uml.errors import ContextLengthExceeded, EngineError, InvalidRequest, UmlError
from jupyter_uml.types import Chunk, EffectiveSettings, FinishReason, GenerateRequest

PLAUSIBLE_TOKEN_BYTES = 16  # a text with more bytes for each token of the context is looked at more closely
PREFILL_CHUNK = 128  # prompt tokens a step while answers are under way


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that ended in an error instead of a final chunk."""

    request_id: str
    error: UmlError


Output = Chunk | Failure


class Engine:
    """Owns a model and its context. Not thread-safe: one thread calls `add`, `abort` and `step`."""

    def __init__(self, model: Model, settings: EffectiveSettings) -> None:
        self.model, self.settings = model, settings
        self._context = Context(model, settings)
        self._cache = KvCache(settings.n_parallel)
        self._template, self._no_chat = _chat_template(model)
        self.info = replace(model.info, has_chat_template=self._template is not None)
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []

    @property
    def busy(self) -> bool:
        return bool(self._waiting or self._running)

    def add(self, request: GenerateRequest) -> None:
        """Queue a request.

        Raises:
            InvalidRequest: the prompt is empty, or the template refuses the messages.
            ContextLengthExceeded: the prompt leaves no room for an answer.
        """
        param = "messages" if request.prompt is None else "prompt"
        tokens = self._prompt_tokens(request, param)
        if not tokens:
            raise InvalidRequest("The prompt is empty.", param=param)
        if len(tokens) >= self.settings.n_ctx:
            raise self._too_long(len(tokens), param)
        room = request.params.max_tokens
        limit = self.settings.n_ctx if room is None else min(self.settings.n_ctx, len(tokens) + room)
        sampler = Sampler(self.model, request.params)
        self._waiting.append(
            Sequence(
                request=request,
                tokens=tokens,
                n_prompt=len(tokens),
                limit=limit,
                text=TextStream(request.params.stop),
                sample=lambda row: sampler.sample(self._context, row),
                close=sampler.close,
            )
        )

    def abort(self, request_id: str) -> list[Output]:
        """End a request; its final chunk says `aborted`. Nothing happens where it has ended already."""
        for sequence in [*self._running, *self._waiting]:
            if sequence.id == request_id:
                return [self._finish(sequence, "aborted")]
        return []

    def step(self) -> list[Output]:
        """Schedule, decode, sample, emit: at most one token for every running sequence."""
        self._admit()
        batch = schedule(self._running, BATCH, PREFILL_CHUNK)
        if not batch:
            return []
        try:
            rows = self._context.decode([self._row(piece) for piece in batch])
        except EngineError as error:
            return [self._fail(piece.sequence, error) for piece in batch]
        for piece in batch:
            piece.sequence.computed += piece.n_tokens
        sampled = [piece.sequence for piece in batch if piece.last]
        return [self._emit(sequence, sequence.sample(row)) for sequence, row in zip(sampled, rows, strict=True)]

    def close(self) -> None:
        for sequence in [*self._running, *self._waiting]:
            sequence.close()
        self._running.clear()
        self._waiting.clear()
        self._context.close()
        self.model.close()

    def _prompt_tokens(self, request: GenerateRequest, param: str) -> list[int]:
        if isinstance(request.prompt, tuple):
            return self._checked_tokens(request.prompt, param)
        if request.prompt is not None:
            self._check_size(len(request.prompt.encode(errors="replace")), param)
            return self.model.tokenize(request.prompt, add_special=True, parse_special=True)
        if self._template is None:
            raise InvalidRequest(self._no_chat, param=param)
        self._check_size(sum(len(message.content.encode(errors="replace")) for message in request.messages), param)
        text = self._template.render(guard(request.messages, self.model.controls))
        if self.model.adds_bos:
            text = text.removeprefix(self.model.bos)  # the tokenizer adds it
        tokens: list[int] = []
        for piece in text.split(MARK):
            tokens += self.model.tokenize(piece, add_special=not tokens, parse_special=True)
        return tokens

    def _checked_tokens(self, prompt: tuple[int, ...], param: str) -> list[int]:
        if len(prompt) >= self.settings.n_ctx:
            raise self._too_long(len(prompt), param)
        if any(not 0 <= token < self.model.n_vocab for token in prompt):
            raise InvalidRequest(f"A token is outside the vocabulary of {self.model.n_vocab}.", param=param)
        return list(prompt)

    def _check_size(self, size: int, param: str) -> None:
        """Refuse a text that cannot fit by its length alone: tokenizing megabytes would hold up everybody's answers."""
        if size > self.settings.n_ctx * PLAUSIBLE_TOKEN_BYTES:
            least = -(-size // self.model.longest_piece)
            if least >= self.settings.n_ctx:
                raise self._too_long(least, param)

    def _too_long(self, tokens: int, param: str) -> ContextLengthExceeded:
        trained = self.info.n_ctx_train
        return ContextLengthExceeded(
            tokens, self.settings.n_ctx, param, trained if trained > self.settings.n_ctx else None
        )

    def _admit(self) -> None:
        while self._waiting:
            sequence = self._waiting[0]
            place = self._cache.acquire(sequence.tokens, sequence.request.principal)
            if place is None:
                return
            self._waiting.popleft()
            sequence.slot, held = place
            sequence.cached = sequence.computed = self._context.keep(sequence.slot, held)
            sequence.started_at = time.monotonic()
            self._running.append(sequence)

    @staticmethod
    def _row(piece: Slice[Sequence]) -> Row:
        sequence, start = piece.sequence, piece.sequence.computed
        assert sequence.slot is not None
        return Row(sequence.slot, start, sequence.tokens[start : start + piece.n_tokens], piece.last)

    def _emit(self, sequence: Sequence, token: int) -> Chunk:
        if sequence.first_token_at is None:
            sequence.first_token_at = time.monotonic()
        sequence.tokens.append(token)
        if self.model.ends_generation(token):
            return self._finish(sequence, "stop", stop_reason=token)
        text = sequence.text.push(self.model.piece(token))
        if sequence.text.stopped_by is not None:
            return self._finish(sequence, "stop", text, sequence.text.stopped_by)
        if len(sequence.tokens) >= sequence.limit:
            return self._finish(sequence, "length", text)
        return Chunk(sequence.id, text, tokens=1)

    def _finish(
        self, sequence: Sequence, reason: FinishReason, text: str = "", stop_reason: str | int | None = None
    ) -> Chunk:
        text += sequence.text.finish()
        new = 0 if reason == "aborted" else 1
        usage, timings = sequence.usage, sequence.timings
        self._remove(sequence)
        return Chunk(sequence.id, text, new, reason, stop_reason, usage, timings)

    def _fail(self, sequence: Sequence, error: UmlError) -> Failure:
        sequence.computed = 0  # its cells are undefined
        self._remove(sequence)
        return Failure(sequence.id, error)

    def _remove(self, sequence: Sequence) -> None:
        sequence.close()
        if sequence.slot is None:
            self._waiting.remove(sequence)
        else:
            self._running.remove(sequence)
            self._cache.release(sequence.slot, sequence.tokens[: sequence.computed])


def _chat_template(model: Model) -> tuple[ChatTemplate | None, str]:
    """The model's template, or why it has none: such a model still completes prompts."""
    if model.chat_template is None:
        return None, "This model has no chat template. Send a prompt to completions instead."
    try:
        return ChatTemplate(model.chat_template, model.bos, model.eos), ""
    except InvalidRequest as error:
        return None, f"{error.message} Send a prompt to completions instead."
