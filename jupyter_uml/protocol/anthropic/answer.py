"""Anthropic's answers: one message of content blocks, whole or as the events in which it grows."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from jupyter_uml.protocol.anthropic.content import CALL_PREFIX
from jupyter_uml.protocol.call_deltas import together
from jupyter_uml.types import CallDelta, Chunk, GenerateRequest, Usage

Json = dict[str, Any]
_ARGUMENTS = TypeAdapter(Json)


class _Block(ABC):
    """A content block that is being written."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def add(self, piece: str) -> Json | None:
        """The delta that tells of `piece`, where there is something to tell."""
        self._pieces.append(piece)
        return self._delta(piece) if piece else None

    @property
    def written(self) -> str:
        return "".join(self._pieces)

    @abstractmethod
    def start(self) -> Json:
        """The block as it begins."""

    @abstractmethod
    def _delta(self, piece: str) -> Json | None: ...

    def last_delta(self) -> Json | None:
        return None

    @abstractmethod
    def whole(self) -> Json:
        """The block as it is now."""


class _Text(_Block):
    def start(self) -> Json:
        return {"type": "text", "text": ""}

    def _delta(self, piece: str) -> Json:
        return {"type": "text_delta", "text": piece}

    def whole(self) -> Json:
        return {"type": "text", "text": self.written}


class _Thinking(_Block):
    """`signature` is a digest of what was thought, shown or not: clients do not send a block back without one."""

    def __init__(self, shown: bool) -> None:
        super().__init__()
        self._shown = shown

    def start(self) -> Json:
        return {"type": "thinking", "thinking": "", "signature": ""}

    def _delta(self, piece: str) -> Json | None:
        return {"type": "thinking_delta", "thinking": piece} if self._shown else None

    def last_delta(self) -> Json:
        digest = hashlib.sha256(self.written.encode(errors="replace")).digest()
        return {"type": "signature_delta", "signature": b64encode(digest).decode()}

    def whole(self) -> Json:
        signature = self.last_delta()["signature"]
        return {"type": "thinking", "thinking": self.written if self._shown else "", "signature": signature}


class _ToolUse(_Block):
    def __init__(self, call: CallDelta) -> None:
        super().__init__()
        self._head = {"type": "tool_use", "id": f"{CALL_PREFIX}{call.id}", "name": call.name}

    def start(self) -> Json:
        return {**self._head, "input": {}}

    def _delta(self, piece: str) -> Json:
        return {"type": "input_json_delta", "partial_json": piece}

    def whole(self) -> Json:
        return {**self._head, "input": _arguments(self.written)}


class Answer:
    """One answer. Its chunks are pushed in order; what they change is told as events' data."""

    def __init__(self, request: GenerateRequest, shows_thinking: bool = True) -> None:
        self._request, self._shows_thinking = request, shows_thinking
        self._blocks: list[_Block] = []
        self._open: str | int | None = None  # what the last block is: its kind, or the call's number
        self._last = Chunk(request.id)

    def opening(self) -> Json:
        """Figures come at the end: how many tokens were found in the cache is known only then."""
        return {"type": "message_start", "message": self.whole()}

    def push(self, chunk: Chunk) -> Iterator[Json]:
        """The events of a chunk; after the last chunk all blocks have ended."""
        if chunk.reasoning:
            yield from self._write("thinking", chunk.reasoning)
        if chunk.text:
            yield from self._write("text", chunk.text)
        for call in together(chunk.calls):
            yield from self._write(call.index, call.arguments, call)
        if chunk.finish_reason:
            yield from self._end_block()
            self._last = chunk

    def add(self, chunk: Chunk) -> None:
        """The same for an answer that nobody follows."""
        for _ in self.push(chunk):
            pass

    def closing(self) -> Iterator[Json]:
        delta = self._ending()
        yield {"type": "message_delta", "delta": delta, "usage": usage_body(self._last.usage or Usage())}
        yield {"type": "message_stop"}

    def whole(self) -> Json:
        """The message as it is now."""
        return {
            "id": f"msg_{self._request.id}",
            "type": "message",
            "role": "assistant",
            "model": self._request.model,
            "content": [block.whole() for block in self._blocks],
            **self._ending(),
            "usage": usage_body(self._last.usage or Usage()),
        }

    def _write(self, kind: str | int, piece: str, call: CallDelta | None = None) -> Iterator[Json]:
        if kind != self._open:
            yield from self._end_block()
            self._open = kind
            self._blocks.append(self._new_block(kind, call))
            yield {**self._event("content_block_start"), "content_block": self._blocks[-1].start()}
        if delta := self._blocks[-1].add(piece):
            yield {**self._event("content_block_delta"), "delta": delta}

    def _new_block(self, kind: str | int, call: CallDelta | None) -> _Block:
        if call is not None:
            return _ToolUse(call)
        return _Thinking(self._shows_thinking) if kind == "thinking" else _Text()

    def _end_block(self) -> Iterator[Json]:
        if self._open is None:
            return
        self._open = None
        if delta := self._blocks[-1].last_delta():
            yield {**self._event("content_block_delta"), "delta": delta}
        yield self._event("content_block_stop")

    def _event(self, name: str) -> Json:
        return {"type": name, "index": len(self._blocks) - 1}

    def _ending(self) -> Json:
        """Which string ended the answer stands beside why it ended."""
        reason = _stop_reason(self._last, self._request.params.max_tokens)
        return {"stop_reason": reason, "stop_sequence": self._last.stop_reason if reason == "stop_sequence" else None}


def usage_body(usage: Usage) -> Json:
    """Tokens in Anthropic's sense: those that were read from the cache are not among `input_tokens`."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }


def _stop_reason(last: Chunk, max_tokens: int | None) -> str | None:
    match last.finish_reason:
        case "stop":
            return "stop_sequence" if isinstance(last.stop_reason, str) else "end_turn"
        case "length":
            written = last.usage.completion_tokens if last.usage else 0
            return "model_context_window_exceeded" if max_tokens is None or written < max_tokens else "max_tokens"
        case "tool_calls":
            return "tool_use"
        case _:
            return None


def _arguments(text: str) -> Json:
    """The arguments of a call; of a call that was cut, those that are there."""
    try:
        return _ARGUMENTS.validate_json(text or "{}", experimental_allow_partial="trailing-strings")
    except ValueError:
        return {}
