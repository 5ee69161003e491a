"""From the chunks of an answer to the events of the Responses API, and to the whole `response`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from jupyter_uml.errors import InvalidRequest, UmlError
from jupyter_uml.protocol.call_deltas import together
from jupyter_uml.protocol.openai.usage import timings_body
from jupyter_uml.protocol.responses.errors import error_event
from jupyter_uml.protocol.responses.output import (
    Body,
    FunctionCall,
    OutputItem,
    OutputMessage,
    Reasoning,
    Status,
    SummarizedReasoning,
)
from jupyter_uml.types import CallDelta, Chunk, TokenLogprob, Usage


class ResponseWriter:
    """One answer. An answer that is not streamed takes the same way, and only the last event's `response` is sent.

    `settings`: what the answer repeats of its request. `new_id(prefix)`: an id for the next item.
    """

    def __init__(
        self,
        response_id: str,
        settings: Body,
        new_id: Callable[[str], str],
        *,
        summarize: bool = False,
        seal: bool = False,
    ) -> None:
        self._head: Body = {"id": response_id, "object": "response", "created_at": int(time.time())}
        self._settings, self._new_id = settings, new_id
        self._reasoning = SummarizedReasoning if summarize else Reasoning
        self._seal = seal
        self._open: OutputItem | None = None
        self._call = -1  # the index of the call that is open, or was last
        self._waiting: tuple[TokenLogprob, ...] = ()  # of tokens whose text is yet to come
        self.output: list[Body] = []
        self.response = self._response("in_progress")

    def start(self) -> list[Body]:
        return [{"type": f"response.{kind}", "response": self.response} for kind in ("created", "in_progress")]

    def add(self, chunk: Chunk) -> list[Body]:
        """The events of one chunk; of the last chunk also those that end the answer."""
        events: list[Body] = []
        if chunk.reasoning:
            events += self._think(chunk.reasoning)
        events += self._say(chunk.text, chunk.logprobs)
        for delta in together(chunk.calls):
            events += self._call_on(delta)
        return events + self._finish(chunk) if chunk.finish_reason else events

    def fail(self, error: UmlError) -> list[Body]:
        """The events of an answer that could not be ended."""
        kind = "invalid_prompt" if isinstance(error, InvalidRequest) else "server_error"  # as OpenAI calls them
        self.response = self._response("failed", error={"code": kind, "message": error.message})
        return [error_event(error), {"type": "response.failed", "response": self.response}]

    # --- what the model does ---

    def _think(self, piece: str) -> list[Body]:
        events = []
        if not isinstance(self._open, Reasoning):
            events = self._begin(self._reasoning(self._new_id(Reasoning.prefix), self._place, self._seal))
        return [*events, self._now.go_on(piece)]

    def _say(self, piece: str, logprobs: tuple[TokenLogprob, ...]) -> list[Body]:
        self._waiting += logprobs
        if not piece:
            return []
        events = []
        if not isinstance(self._open, OutputMessage):
            events = self._begin(self._message())
        events.append(self._now.go_on(piece, self._waiting))
        self._waiting = ()
        return events

    def _call_on(self, delta: CallDelta) -> list[Body]:
        events = []
        if delta.index != self._call or not isinstance(self._open, FunctionCall):
            self._call = delta.index
            item_id = self._new_id(FunctionCall.prefix)
            events = self._begin(FunctionCall(item_id, self._place, delta.id or item_id, delta.name or ""))
        return [*events, self._now.go_on(delta.arguments)] if delta.arguments else events

    def _finish(self, last: Chunk) -> list[Body]:
        cut = last.finish_reason in ("length", "aborted")
        events = [] if cut or self._answered else self._begin(self._message())
        events += self._end("incomplete" if cut else "completed")
        more: Body = {"usage": usage_body(last.usage or Usage())}
        if last.timings is not None:
            more["timings"] = timings_body(last.timings)
        if last.finish_reason == "length":
            more["incomplete_details"] = {"reason": "max_output_tokens"}
        if not cut:
            more["completed_at"] = int(time.time())
        status = "incomplete" if cut else "completed"
        self.response = self._response(status, **more)
        return [*events, {"type": f"response.{status}", "response": self.response}]

    # --- items ---

    @property
    def _answered(self) -> bool:
        """There is more than reasoning."""
        done = any(item["type"] != "reasoning" for item in self.output)
        return done or isinstance(self._open, OutputMessage | FunctionCall)

    @property
    def _place(self) -> int:
        return len(self.output) + (self._open is not None)

    @property
    def _now(self) -> OutputItem:
        assert self._open is not None
        return self._open

    def _message(self) -> OutputMessage:
        return OutputMessage(self._new_id(OutputMessage.prefix), self._place)

    def _begin(self, item: OutputItem) -> list[Body]:
        ended = self._end("completed")
        self._open = item
        return ended + item.begin()

    def _end(self, status: Status) -> list[Body]:
        if self._open is None:
            return []
        item, self._open = self._open, None
        self.output.append(item.body(status))
        return item.end(status)

    def _response(self, status: str, **more: Any) -> Body:
        empty = {"completed_at": None, "error": None, "incomplete_details": None, "usage": None}
        return {**self._head, "status": status, **empty, "output": list(self.output), **self._settings, **more}


def usage_body(usage: Usage) -> Body:
    """What is not found in the cache is computed and put into it."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": max(usage.prompt_tokens - usage.cached_tokens, 0),
            "truncated_tokens": usage.truncated_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
