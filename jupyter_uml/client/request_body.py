"""OpenAI's wire format, from the client's side: a native request as the body that asks for it. Pure.

What OpenAI has no field for travels under the native name. `id` and `principal` stay behind: the server gives its own;
so does the kernel that holds the model, which a header names.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import IMAGE_MARK, GenerateRequest, Grammar, Message, SamplingParams, Tool, ToolCall

CALL_PREFIX = "call_"  # what ids of tool calls begin with in OpenAI's API, and natively do not
_NO_LIMIT = -1  # of tokens: OpenAI's completions end after 16 by themselves; natively as the model's profile says
_OWN_SHAPE = {"logit_bias", "logprobs", "grammar"}
_SAMPLING = [field for field in fields(SamplingParams) if field.name not in _OWN_SHAPE]
_SAME_NAME = (
    "priority",
    "truncate",
    "context_shift",
    "deterministic",
    "suffix",
    "parallel_tool_calls",
    "reasoning_effort",
    "reasoning_budget",
)
_HANDLING = [field for field in fields(GenerateRequest) if field.name in _SAME_NAME]
_IMAGE_TYPES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"BM": "bmp", b"RIFF": "webp"}


def request_path(request: GenerateRequest) -> str:
    return "v1/completions" if request.prompt is not None else "v1/chat/completions"


def request_body(request: GenerateRequest) -> dict[str, Any]:
    """The JSON body that asks for `request` as a stream; what is left at its default stays out."""
    body: dict[str, Any] = {"model": request.model, "stream": True, "stream_options": {"include_usage": True}}
    if request.prompt is not None:
        body["prompt"] = request.prompt if isinstance(request.prompt, str) else list(request.prompt)
        body["max_tokens"] = _NO_LIMIT
    else:
        body["messages"] = [_message(message) for message in request.messages]
    if request.hold.keep_alive is not None:
        body["keep_alive"] = request.hold.keep_alive
    return body | _tools(request) | _given(request, _HANDLING) | _sampling(request)


def encoded(body: Mapping[str, Any]) -> bytes:
    """
    Raises:
        InvalidRequest: something in it is no JSON: NaN, half a surrogate pair, an object.
    """
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"What was given cannot be sent as JSON: {error}") from error


def _message(message: Message) -> dict[str, Any]:
    fields = {
        "name": message.name,
        "tool_calls": [_call(call) for call in message.tool_calls] or None,
        "tool_call_id": message.tool_call_id and CALL_PREFIX + message.tool_call_id,
        "reasoning_content": message.reasoning,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return {"role": message.role, "content": _content(message), **given}


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.content
    first, *texts = message.content.split(IMAGE_MARK)
    parts = [{"type": "text", "text": first}]
    for image, text in zip(message.images, texts, strict=True):
        parts += [_image(image), {"type": "text", "text": text}]
    return [part for part in parts if part.get("text") != ""]


def _image(content: bytes) -> dict[str, Any]:
    kind = next((name for start, name in _IMAGE_TYPES.items() if content.startswith(start)), "png")
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{b64encode(content).decode()}"}}


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": CALL_PREFIX + call.id, "type": "function", "function": function}


def _tools(request: GenerateRequest) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.tool_name is not None:
        body["tool_choice"] = {"type": "function", "function": {"name": request.tool_name}}
    elif request.tool_choice != "auto":
        body["tool_choice"] = request.tool_choice
    if request.template_options:
        body["chat_template_kwargs"] = dict(request.template_options)
    return body


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": json.loads(tool.parameters)}
    return {"type": "function", "function": function | ({"strict": True} if tool.strict else {})}


def _sampling(request: GenerateRequest) -> dict[str, Any]:
    params, given = request.params, request.given or ()
    body = _given(params, _SAMPLING)
    # A default that was asked for is sent, too: else a model's own default would take its place.
    body |= {f.name: value for f in _SAMPLING if f.name in given and (value := getattr(params, f.name)) is not None}
    if params.logit_bias:
        body["logit_bias"] = {str(token): bias for token, bias in params.logit_bias}
    if params.logprobs is not None and request.prompt is not None:
        body["logprobs"] = params.logprobs
    elif params.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": params.logprobs}
    return body | (_grammar(params.grammar) if params.grammar else {})


def _grammar(grammar: Grammar) -> dict[str, Any]:
    match grammar.kind:
        case "json_object":
            return {"response_format": {"type": "json_object"}}
        case "json_schema":
            schema = {"name": "answer", "schema": json.loads(grammar.source), "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": schema}}
        case kind:
            return {"grammar": {"kind": kind, "source": grammar.source}}


def _given(source: GenerateRequest | SamplingParams, names: list[Any]) -> dict[str, Any]:
    return {field.name: value for field in names if (value := getattr(source, field.name)) != field.default}
