"""One answer in the making."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from jupyter_uml.engine.expectation import Thinking
from jupyter_uml.engine.image_rows import ImagePlaces
from jupyter_uml.engine.output import AnswerStream
from jupyter_uml.engine.sampler import Sampler
from jupyter_uml.engine.speculation import Speculator
from jupyter_uml.types import GenerateRequest, Timings, TokenLogprob, Usage

MAX_AHEAD = 48  # tokens of one sequence in a decode beside the one that was sampled last: forced or guessed

_HEADER = 8  # tokens of an answer with which reasoning may begin: guesses that go beyond would overrun its budget


@dataclass(slots=True, eq=False)
class Sequence:
    """The prompt's tokens and the answer's, and how many of them the KV cache holds.

    `tokens[:computed]` are in the cache under `slot`; what follows must still be decoded. While the prompt is being
    prefilled that is many tokens, afterwards the one that was sampled last and what a grammar forces after it.
    `drafts` are guesses about what follows `tokens`, to be verified in the next decode.
    """

    request: GenerateRequest
    tokens: list[int]
    n_prompt: int
    answer: AnswerStream
    sampler: Sampler
    spell: Callable[[int], bytes]  # a token's bytes
    thinking: Thinking | None = None
    images: ImagePlaces = field(default_factory=ImagePlaces)
    speculator: Speculator | None = None
    truncated: int = 0
    slot: int | None = None
    computed: int = 0
    cached: int = 0
    checkpoint: int = 0  # where the prefill must stop once, to have its state saved; 0: nowhere
    shifted: bool = False  # the oldest tokens were forgotten: its cells are of no use to others
    urgent: bool = False  # an interactive request waits for its prefill
    drafts: list[int] = field(default_factory=list)
    by_model: bool = False  # the draft model made the drafts
    generated: int = 0
    reasoned: int = 0  # and of these, the ones of reasoning
    interrupted: int = 0  # how often its reasoning was to end, for it had lasted long enough
    unplaced: list[TokenLogprob] = field(default_factory=list)  # of tokens that may be text or a call
    drafted: int = 0
    accepted: int = 0
    arrived: float = field(default_factory=time.monotonic)
    started_at: float | None = None
    first_token_at: float | None = None

    @property
    def id(self) -> str:
        return self.request.id

    @property
    def principal(self) -> str:
        return self.request.principal

    @property
    def rank(self) -> int:
        return 0 if self.urgent or self.request.priority == "interactive" else 1

    @property
    def waited(self) -> float:
        return time.monotonic() - self.arrived

    @property
    def deterministic(self) -> bool:
        return self.request.deterministic

    @property
    def repeatable(self) -> bool:
        """Who asks again expects the same tokens."""
        return self.deterministic or self.request.params.seed is not None

    @property
    def pending(self) -> int:
        return len(self.tokens) - self.computed

    @property
    def begun(self) -> bool:
        return self.computed > self.cached

    @property
    def uncut(self) -> int:
        end = self.checkpoint if self.computed < self.checkpoint else len(self.tokens)
        return min(end, self.images.border(self.computed) or end) - self.computed

    @property
    def least(self) -> int:
        return self.images.least(self.computed)

    @property
    def at_image(self) -> bool:
        """What comes next are rows of an image."""
        return self.images.at(self.computed) is not None

    @property
    def decoding(self) -> bool:
        """An answer that lost its cells, because it had to give way, is prefilled again like a prompt."""
        rest = len(self.tokens) - max(self.computed, self.images.end)
        return self.first_token_at is not None and self.pending == rest <= 1 + MAX_AHEAD

    @property
    def usage(self) -> Usage:
        accepted = min(self.accepted, self.generated)  # some may lie behind a stop string
        return Usage(self.n_prompt, self.generated, self.cached, self.truncated, self.drafted, accepted, self.reasoned)

    @property
    def spent(self) -> bool:
        """The answer has all the tokens that it may have."""
        most = self.request.params.max_tokens
        return most is not None and self.generated >= most

    @property
    def thoughts_left(self) -> int:
        """Tokens of reasoning that it may still write; where there is no limit, more than a decode takes."""
        if self.thinking is not None and (self.answer.reasoning or self.generated < _HEADER):
            return self.thinking.budget - self.reasoned
        return MAX_AHEAD + 1

    @property
    def timings(self) -> Timings:
        now = time.monotonic()
        started = self.started_at or now
        return Timings(
            queue=started - self.arrived,
            first_token=(self.first_token_at or now) - self.arrived,
            total=now - self.arrived,
        )
