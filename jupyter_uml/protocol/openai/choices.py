"""The choices of a chat completion, in pieces and whole."""

from __future__ import annotations

from typing import Any

from jupyter_uml.protocol.answers import Reply
from jupyter_uml.protocol.call_deltas import together
from jupyter_uml.protocol.openai.frame import ending
from jupyter_uml.protocol.openai.logprobs import ChatLogprobs
from jupyter_uml.protocol.openai.messages import CALL_PREFIX
from jupyter_uml.types import CallDelta, Chunk, TokenLogprob


def whole_choice(index: int, reply: Reply, wants_logprobs: bool) -> dict[str, Any]:
    text, calls = reply.text, reply.calls
    message: dict[str, Any] = {"role": "assistant", "content": text or None if calls else text, "refusal": None}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if calls:
        message["tool_calls"] = [_named(call.id, call.name, call.arguments) for call in calls]
    logprobs = ChatLogprobs().body(reply.logprobs) if wants_logprobs else None
    return {"index": index, "message": message, "logprobs": logprobs, **ending(reply)}


def piece(index: int, delta: dict[str, Any], tokens: tuple[TokenLogprob, ...] = ()) -> dict[str, Any]:
    logprobs = ChatLogprobs().body(tokens) if tokens else None
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}


def opening(first: Chunk) -> dict[str, Any]:
    begins_with_text = first.text or not (first.reasoning or first.calls)
    return {"role": "assistant", "content": "" if begins_with_text else None}


def delta_of(chunk: Chunk) -> dict[str, Any]:
    delta: dict[str, Any] = {}
    if chunk.reasoning:
        delta["reasoning_content"] = chunk.reasoning
    if chunk.text:
        delta["content"] = chunk.text
    if chunk.calls:
        delta["tool_calls"] = [_call(call) for call in together(chunk.calls)]
    return delta


def _call(call: CallDelta) -> dict[str, Any]:
    if call.id is None:
        return {"index": call.index, "function": {"arguments": call.arguments}}
    return {"index": call.index, **_named(call.id, call.name or "", call.arguments)}


def _named(id_: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": CALL_PREFIX + id_, "type": "function", "function": {"name": name, "arguments": arguments}}
