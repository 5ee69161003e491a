"""One answer in the making."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from jupyter_uml.engine.output import TextStream
from jupyter_uml.types import GenerateRequest, Timings, Usage


@dataclass(slots=True, eq=False)
class Sequence:
    """The prompt's tokens and the answer's, and how many of them the KV cache holds.

    `tokens[:computed]` are in the cache under `slot`; what follows must still be decoded. While the prompt is being
    prefilled that is many tokens, afterwards it is always the one that was sampled last.
    """

    request: GenerateRequest
    tokens: list[int]
    n_prompt: int
    limit: int  # length of `tokens` at which the answer is cut: context or max_tokens, whichever comes first
    text: TextStream
    sample: Callable[[int], int]  # batch row → next token
    close: Callable[[], None]  # frees what `sample` holds in llama.cpp
    slot: int | None = None
    computed: int = 0
    cached: int = 0
    arrived: float = field(default_factory=time.monotonic)
    started_at: float | None = None
    first_token_at: float | None = None

    @property
    def id(self) -> str:
        return self.request.id

    @property
    def pending(self) -> int:
        """Tokens that must be decoded before the next one can be sampled."""
        return len(self.tokens) - self.computed

    @property
    def decoding(self) -> bool:
        return self.first_token_at is not None

    @property
    def usage(self) -> Usage:
        return Usage(self.n_prompt, len(self.tokens) - self.n_prompt, self.cached)

    @property
    def timings(self) -> Timings:
        now = time.monotonic()
        started = self.started_at or now
        return Timings(
            queue=started - self.arrived,
            first_token=(self.first_token_at or now) - self.arrived,
            total=now - self.arrived,
        )
