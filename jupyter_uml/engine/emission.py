"""From the tokens that were sampled to a piece of the answer, and whether the answer ends with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from jupyter_uml.engine.formats.chat_format import Parsed
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.sampler import Sampled
from jupyter_uml.engine.sequence import Sequence
from jupyter_uml.types import CallDelta, FinishReason, TokenLogprob


@dataclass(slots=True)
class Emission:
    """What a step adds to one answer. `reason` is set where it ends."""

    text: str = ""
    reasoning: str = ""
    calls: list[CallDelta] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    reason: FinishReason | None = None
    stop_reason: str | int | None = None

    def add(self, parsed: Parsed) -> None:
        self.text += parsed.content
        self.reasoning += parsed.reasoning
        self.calls += parsed.calls


class Emitter:
    """Appends tokens to one sequence and gathers what they say, up to the end of the answer."""

    def __init__(self, sequence: Sequence, model: Model, has_room: Callable[[Sequence], bool]) -> None:
        self._sequence, self._model, self._has_room = sequence, model, has_room
        self.emission = Emission()

    @property
    def ended(self) -> bool:
        return self.emission.reason is not None

    def take(self, sampled: list[Sampled]) -> None:
        for each in sampled:
            if not self.ended:
                self._append(each.token, each.logprob)

    def force(self, tokens: list[int]) -> None:
        """Tokens that were not sampled, because there was no choice."""
        for token in tokens:
            if not self.ended:
                self._append(token, None)

    def close(self) -> Emission:
        if not self.ended and self._sequence.sampler.ended:
            self.emission.reason = "stop"
        return self.emission

    def _append(self, token: int, logprob: TokenLogprob | None) -> None:
        sequence, emission = self._sequence, self.emission
        sequence.tokens.append(token)
        sequence.generated += 1
        emission.tokens.append(token)
        if self._model.ends_generation(token) and not sequence.request.params.ignore_eos:
            emission.reason, emission.stop_reason = "stop", token
            return
        self._read(token, logprob)
        if sequence.answer.stopped_by is not None:
            emission.reason, emission.stop_reason = "stop", sequence.answer.stopped_by
        elif sequence.answer.calls_ended and not sequence.request.parallel_tool_calls:
            emission.reason = "tool_calls"
        elif not self._has_room(sequence):
            emission.reason, emission.stop_reason = "length", "max_tokens" if sequence.spent else "context"

    def _read(self, token: int, logprob: TokenLogprob | None) -> None:
        sequence = self._sequence
        reasons = sequence.answer.reasoning
        parsed = sequence.answer.push(sequence.spell(token))
        self.emission.add(parsed)
        if reasons or sequence.answer.reasoning:
            sequence.reasoned += 1
        elif logprob is not None:
            sequence.unplaced.append(logprob)
        self.place(parsed)

    def place(self, parsed: Parsed) -> None:
        """Log-probabilities go with the text of their tokens; those of calls and of their frames are left out."""
        unplaced = self._sequence.unplaced
        if parsed.content and not parsed.calls:
            self.emission.logprobs += unplaced
        if parsed.content or parsed.calls or parsed.reasoning:
            unplaced.clear()
