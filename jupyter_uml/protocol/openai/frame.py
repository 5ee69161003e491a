"""What everything that is sent of one OpenAI answer has in common."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from jupyter_uml.protocol.answers import Reply
from jupyter_uml.protocol.endpoint import Caller, Event, Verbs
from jupyter_uml.protocol.openai.completion_body import CompletionBody
from jupyter_uml.protocol.openai.fingerprint import fingerprint
from jupyter_uml.protocol.openai.usage import overall, timings_body, usage_body
from jupyter_uml.types import Chunk, Timings, Usage


class Frame:
    """`prefix`: of the answer's id."""

    def __init__(self, prefix: str, body: CompletionBody, caller: Caller) -> None:
        self._body = body
        self._head: dict[str, Any] = {
            "id": prefix + caller.request_id,
            "created": int(time.time()),
            "model": body.model,
        }

    async def identify(self, service: Verbs) -> None:
        """Say what the answer comes from. The model must be loaded, as it is when the first chunk has come."""
        self._head["system_fingerprint"] = await fingerprint(service, self._body.model)
        if self._body.seed is not None:
            # Without it, numbers are rounded by what else is computed in the same batch: the seed may not be enough.
            self._head["deterministic"] = bool(self._body.deterministic)
        self._head |= self._body.tier

    def whole(self, kind: str, choices: list[dict[str, Any]], usage: Usage, replies: Iterable[Reply]) -> dict[str, Any]:
        times = [reply.timings for reply in replies if reply.timings is not None]
        return {
            **self._head,
            "object": kind,
            "choices": choices,
            "usage": usage_body(usage),
            "timings": timings_body(overall(times)) if times else None,
        }

    def part(self, kind: str, choices: list[dict[str, Any]], timings: Timings | None = None) -> Event:
        """A piece of a stream; where usage was asked for it is null in all but the last."""
        more: dict[str, Any] = {"usage": None} if self._body.wants_usage else {}
        if timings is not None:
            more["timings"] = timings_body(timings)
        return Event({**self._head, "object": kind, "choices": choices, **more})

    def closing(self, kind: str, usage: Usage) -> Event:
        """The piece without choices that carries the usage."""
        return Event({**self._head, "object": kind, "choices": [], "usage": usage_body(usage)})


def ending(last: Chunk | Reply) -> dict[str, Any]:
    """Why a choice ended, and which string or token did it."""
    stop = {} if last.stop_reason is None else {"stop_reason": last.stop_reason}
    return {"finish_reason": last.finish_reason, **stop}
