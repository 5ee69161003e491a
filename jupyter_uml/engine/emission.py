"""From the tokens that were sampled to a piece of the answer, and whether the answer ends with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from jupyter_uml.engine.model import Model
from jupyter_uml.engine.sampler import Sampled
from jupyter_uml.engine.sequence import Sequence
from jupyter_uml.types import FinishReason, TokenLogprob


@dataclass(slots=True)
class Emission:
    """What a step adds to one answer. `reason` is set where it ends."""

    text: str = ""
    tokens: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    reason: FinishReason | None = None
    stop_reason: str | int | None = None


def emit(
    sequence: Sequence,
    sampled: list[Sampled],
    forced: list[int],
    model: Model,
    has_room: Callable[[Sequence], bool],
) -> Emission:
    """Append the sampled tokens, and those that the grammar forces after them, up to the end of the answer."""
    emission = Emission()
    for token, logprob in [*((each.token, each.logprob) for each in sampled), *((token, None) for token in forced)]:
        sequence.tokens.append(token)
        sequence.generated += 1
        emission.tokens.append(token)
        if model.ends_generation(token) and not sequence.request.params.ignore_eos:
            emission.reason, emission.stop_reason = "stop", token
            return emission
        if logprob is not None:
            emission.logprobs.append(logprob)
        emission.text += sequence.text.push(model.piece(token))
        if sequence.text.stopped_by is not None:
            emission.reason, emission.stop_reason = "stop", sequence.text.stopped_by
            return emission
        if not has_room(sequence):
            emission.reason = "length"
            return emission
    if sequence.sampler.ended:
        emission.reason = "stop"
    return emission
