"""Valid bodies of every endpoint, and what a hostile or broken program would make of them: one place changed at a time.

A changed body is JSON text and not a value, since much of what is hostile cannot be written from Python values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

_MARK = "@ changed @"  # stands where raw JSON goes
Body = dict[str, Any]
Path = tuple[str | int, ...]

_SCHEMA: Body = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_CALL: Body = {"id": "call_1", "type": "function", "function": {"name": "get_time", "arguments": '{"city": "Rome"}'}}
_TOOL: Body = {"name": "get_time", "description": "The time there.", "parameters": _SCHEMA}
_CHAT: Body = {
    "model": "demo",
    "messages": [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": [{"type": "text", "text": "What time is it in Rome?"}], "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [_CALL], "reasoning_content": "So."},
        {"role": "tool", "content": "It is 9:30.", "tool_call_id": "call_1"},
        {"role": "user", "content": "And in Oslo?"},
    ],
    "tools": [{"type": "function", "function": _TOOL}],
    "tool_choice": "auto",
    "max_tokens": 8,
    "stop": ["\n\n"],
    "n": 2,
}
_FIELDS: Body = {
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "min_p": 0.1,
    "typical_p": 0.9,
    "top_n_sigma": 2,
    "seed": 7,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
    "repeat_penalty": 1.1,
    "repeat_last_n": 64,
    "dry_multiplier": 0.5,
    "dry_base": 1.5,
    "dry_allowed_length": 2,
    "dry_penalty_last_n": 64,
    "dry_sequence_breakers": ["\n"],
    "xtc_probability": 0.1,
    "xtc_threshold": 0.1,
    "mirostat": 2,
    "mirostat_tau": 5,
    "mirostat_eta": 0.1,
    "dynatemp_range": 0.1,
    "dynatemp_exponent": 1,
    "logit_bias": {"300": -5},
    "service_tier": "auto",
    "keep_alive": "10m",
    "truncate": "oldest_messages",
    "deterministic": True,
    "context_shift": True,
    "ignore_eos": False,
}
_JSON_FORM: Body = {"type": "json_schema", "json_schema": {"name": "a", "schema": _SCHEMA, "strict": True}}
_QUESTION: Body = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8}
_NAMED: Body = {"type": "function", "function": {"name": "get_time"}}
_TEXT: Body = {"model": "demo", "prompt": "The time in Rome", "max_tokens": 8}
_CUSTOM: Body = {"name": "get_time", "description": "The time there.", "input_schema": _SCHEMA}
_TURNS: list[Body] = [
    {"role": "user", "content": [{"type": "text", "text": "What time is it?", "cache_control": {"type": "ephemeral"}}]},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "So.", "signature": "s"},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "toolu_1", "name": "get_time", "input": {"city": "Rome"}},
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "9:30"}]},
]
_MESSAGES: Body = {"model": "demo", "max_tokens": 8, "system": "Be short.", "messages": _TURNS, "tools": [_CUSTOM]}
_ITEMS: list[Body] = [
    {"role": "user", "content": [{"type": "input_text", "text": "What time is it in Rome?"}]},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "So."}]},
    {"type": "function_call", "call_id": "call_1", "name": "get_time", "arguments": '{"city": "Rome"}'},
    {"type": "function_call_output", "call_id": "call_1", "output": "9:30"},
    {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Half past nine.", "annotations": [], "logprobs": []}],
    },
    {"role": "user", "content": "And in Oslo?"},
]
_RESPONSE: Body = {
    "model": "demo",
    "input": _ITEMS,
    "instructions": "Be short.",
    "tools": [{"type": "function", **_TOOL}],
    "max_output_tokens": 8,
    "metadata": {"a": "b"},
    "include": ["message.output_text.logprobs"],
}
_IMAGE: Body = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}

BODIES: dict[str, list[Body]] = {
    "v1/chat/completions": [
        _CHAT,
        _QUESTION | _FIELDS,
        _QUESTION | {"response_format": _JSON_FORM, "logprobs": True, "top_logprobs": 2},
        _QUESTION | {"grammar": {"kind": "regex", "source": "[a-z]+"}},
        _QUESTION | {"grammar": {"kind": "lark", "source": 'start: "a" | "b"'}},
        _QUESTION | {"tools": [{"type": "function", "function": _TOOL}], "tool_choice": _NAMED},
    ],
    "v1/completions": [
        _TEXT | {"echo": True, "logprobs": 2, "n": 2, "best_of": 2},
        _TEXT | _FIELDS | {"truncate": "middle"},
        _TEXT | {"prompt": [1, 2, 3]},
        _TEXT | {"prompt": [[1, 2], [3]], "suffix": None},
        _TEXT | {"prompt": ["a", "b"], "grammar": {"kind": "lark", "source": 'start: "a"+'}},
    ],
    "v1/messages": [
        _MESSAGES,
        _MESSAGES | {"tool_choice": {"type": "tool", "name": "get_time"}, "temperature": 0.5, "top_k": 5, "top_p": 0.5},
        _MESSAGES | {"tools": [], "output_config": {"format": {"type": "json_schema", "schema": _SCHEMA}}},
        _MESSAGES | {"max_tokens": 9, "thinking": {"type": "disabled"}, "stop_sequences": ["x"]},
    ],
    "v1/messages/count_tokens": [{name: value for name, value in _MESSAGES.items() if name != "max_tokens"}],
    "v1/responses": [
        _RESPONSE,
        _RESPONSE | {"tool_choice": {"type": "function", "name": "get_time"}, "top_logprobs": 2, "store": False},
        {"model": "demo", "input": "Hi", "max_output_tokens": 8, "text": {"format": {"type": "json_object"}}},
        {"model": "demo", "input": "Hi", "max_output_tokens": 8, "text": {"format": {"type": "text"}}} | _FIELDS,
        {
            "model": "demo",
            "input": "Hi",
            "max_output_tokens": 8,
            "text": {"format": {"type": "json_schema", "name": "a", "schema": _SCHEMA, "strict": True}},
        },
    ],
    "v1/responses/input_tokens": [_RESPONSE],
    "v1/embeddings": [
        {"model": "demo", "input": ["a", "b"], "encoding_format": "base64", "pooling": "mean", "normalize": True},
        {"model": "demo", "input": [[1, 2], [3]]},
        {"model": "demo", "input": [1, 2], "encoding_format": "float"},
    ],
    "tokenize": [{"model": "demo", "content": "Hi there", "with_pieces": True}, {"model": "demo", "input": ["a", "b"]}],
    "detokenize": [{"model": "demo", "tokens": [1, 2]}, {"model": "demo", "tokens": [[1], [2]]}],
    "apply-template": [_CHAT],
    "inline_completion": [{"model": "demo", "prefix": "x = ", "suffix": "\ny", "language": "python", "max_tokens": 4}],
    "estimate": [{"model": "demo", "n_ctx": 64, "kv_type": "q8_0", "lora": [], "keep_alive": -1, "pin": True}],
}
# What the demo model cannot do: reason, see, rank.
BEYOND: dict[str, list[Body]] = {
    "v1/chat/completions": [
        _QUESTION | {"chat_template_kwargs": {"a": 1}, "reasoning_effort": "low", "reasoning_budget": 4},
        _QUESTION | {"messages": [{"role": "user", "content": [_IMAGE]}]},
    ],
    "v1/messages": [_MESSAGES | {"max_tokens": 9, "thinking": {"type": "enabled", "budget_tokens": 2}}],
    "v1/responses": [{"model": "demo", "input": "Hi", "reasoning": {"effort": "low", "summary": "auto"}}],
    "v1/rerank": [{"model": "demo", "query": "a", "documents": ["b", {"text": "c"}], "top_n": 1}],
    "v2/rerank": [{"model": "demo", "query": "a", "documents": ["b"], "return_documents": True}],
}
STREAMING = ("v1/chat/completions", "v1/completions", "v1/messages", "v1/responses")

MARKS = ("<|im_start|>system\n", "<|im_end|>", "<tool_call>", "</tool_call>", "<|im_start|>", "</s>", "<__media__>")


def _nested(depth: int, opening: str, inner: str, closing: str) -> str:
    return opening * depth + inner + closing * depth


_VALUES = [
    *("null true false 0 -1 1 0.5 -0.0 2147483648 9223372036854775808 1e308 1e999 NaN -Infinity".split()),
    *('[] {} [[]] [{}] [null] [null,1,"x"] {"type":null} {"":{}} "" "x" "NaN" "\\u0000" "\\ud800" "\\uffff"'.split()),
    *('{"type":"function"} {"type":"text"} "auto" "json_schema"'.split()),
    *map(json.dumps, MARKS),
    "1" * 400,
    json.dumps("x" * 100_000),
    json.dumps("\U0001f600" * 20_000),
    json.dumps(" ".join(MARKS) * 500),
    json.dumps([1] * 100_000),
    json.dumps(["x"] * 100_000),
    json.dumps([[1]] * 100_000),
    json.dumps([{"role": "user", "content": "x"}] * 5000),
    json.dumps({f"k{number}": number for number in range(100_000)}),
    *(_nested(depth, "[", "", "]") for depth in (60, 250, 1000, 100_000)),
    *(_nested(depth, '{"a":', "1", "}") for depth in (60, 250, 1000, 100_000)),
]
_SCHEMAS = [
    *map(
        json.dumps,
        [
            {"type": "string", "maxLength": 20_000},
            {"type": "string", "minLength": 10**9},
            {"type": "string", "pattern": "(a+)+$" * 50},
            {"type": "string", "pattern": "(?=x)(?<!y)\\1"},
            {"type": "string", "pattern": "x{1000}{1000}{1000}"},
            {"type": "array", "items": {"type": "integer"}, "minItems": 10**7, "maxItems": 10**9},
            {"type": "array", "uniqueItems": True, "items": {"enum": []}},
            {"type": "number", "minimum": 1e308, "maximum": -1e308},
            {"type": "number", "multipleOf": 1e-300},
            {"type": "integer", "multipleOf": 0},
            {"type": "nonsense"},
            {"type": ["string", 5, None]},
            {"type": "object", "properties": 5},
            {"type": "object", "properties": {"a": 5}, "required": [5]},
            {"properties": {f"k{number}": {"type": "string"} for number in range(2000)}, "type": "object"},
            {"type": "object", "required": [f"k{number}" for number in range(5000)]},
            {"type": "object", "patternProperties": {"(": {"type": "string"}}},
            {"enum": [f"v{number}" for number in range(8000)]},
            {"anyOf": [{"const": number} for number in range(3000)]},
            {"oneOf": [{"type": "string"}, {"type": "string"}]},
            {"not": {}},
            {"allOf": [{"type": "string"}, {"type": "number"}]},
            {"$ref": "#"},
            {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
            {"$ref": "https://example.com/schema.json"},
            {"$ref": "file:///etc/passwd"},
            {"$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}, "minItems": 1}}, "$ref": "#/$defs/a"},
            {"if": {"type": "object"}, "then": False, "else": False},
            {"x-guidance": {"whitespace_pattern": "(((("}},
            {"x-guidance": {"item_separator": 5, "lenient": "x"}},
            {"type": "string", "format": "nonsense"},
            {"type": "string", "contentEncoding": "base64", "description": "".join(MARKS)},
            {"type": "object", "properties": {mark: {"const": mark} for mark in MARKS}, "required": list(MARKS)},
            {"const": "\ud800"},
        ],
    ),
    _nested(20, '{"anyOf":[{"type":"string"},', "{}", "]}"),
    _nested(60, '{"type":"object","properties":{"a":', "{}", "}}"),
    _nested(5000, '{"type":"array","items":', "{}", "}"),
]
_SOURCES = [
    "(" * 1000,
    "(a|b|ab)*" * 200,
    "((a{0,100}){0,100}){0,100}",
    "[\\u0000-\\U0010ffff]{100000}",
    "(?R)",
    "\\",
    "start: start",
    "start: a\na: b\nb: a",
    'start: ("a"?)~1000000',
    "start: /(/",
    'start: "<|im_end|>" <|im_end|> <[99999999]>',
    "start: %json {}",
    'start: %json {"$ref": "#"}',
    'start: %regex {"substring_words": 5}',
    "%import common.INT\nstart: INT",
    '%llguidance {"no_forcing": true}\nstart: ""',
    "start: x" + " | x" * 10_000 + '\nx: ""',
    "start: ",
    "\0",
    'start[max_tokens=99999999999999999999]: "a"',
    'start[temperature=NaN]: "a"',
    'start[lazy, suffix="\\ud800"]: /.*/',
]
_ARGUMENTS = ["", "{", "5", "[]", "null", '{"city": NaN}', "{" * 5000, "[" * 100_000, '{"a":' * 900 + "1" + "}" * 900]
# What a place is open to beside everything else, by the name of its field.
_SPECIAL: dict[str | int, list[str]] = {
    **dict.fromkeys(("schema", "parameters", "input_schema"), _SCHEMAS),
    "source": [json.dumps(source) for source in _SOURCES],
    "arguments": [json.dumps(text) for text in _ARGUMENTS],
    "url": [json.dumps(text) for text in ("data:", "data:image/png;base64,====", "file:///etc/passwd", "http://[::1")],
    "logit_bias": ['{"-1":1}', '{"99999999":1}', '{"1":NaN}', '{"0":-100,"1":100}'],
}


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every field and item in `value`, however deep."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield (*path, key)
        yield from places(item, (*path, key))


def with_raw(body: Body, path: Path, raw: str) -> bytes:
    """`body` as JSON, with `raw` at `path`."""
    body = deepcopy(body)
    holder: Any = body
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = _MARK
    return json.dumps(body).replace(json.dumps(_MARK), raw).encode()


def without(body: Body, path: Path) -> bytes:
    body = deepcopy(body)
    holder: Any = body
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return json.dumps(body).encode()


def with_marks(body: Body, mark: str) -> bytes:
    """`body` with `mark` in every text that is free."""
    free = r'"((?:content|text|system|instructions|prompt|description|thinking|input|query)": )"'
    return re.sub(free, lambda found: f'"{found[1]}"' + json.dumps(mark)[1:-1], json.dumps(body)).encode()


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, bytes]:
    """The path of an endpoint and a body for it."""
    path = draw(st.sampled_from([*BODIES, *BEYOND, *STREAMING]))
    body = draw(st.sampled_from([*BODIES.get(path, ()), *BEYOND.get(path, ())]))
    if path in STREAMING and draw(st.booleans()):
        body = {name: value for name, value in body.items() if name != "best_of"} | {"stream": True}
    place = draw(st.sampled_from(list(places(body))))
    match draw(st.sampled_from(["value", "value", "value", "special", "special", "marks", "less", "more"])):
        case "less":
            return path, without(body, place)
        case "more":
            return path, with_raw(body, (*(place[:-1] if isinstance(place[-1], str) else ()), "unheard_of"), "1")
        case "marks":
            return path, with_marks(body, draw(st.sampled_from(MARKS)))
        case "special" if special := [place for place in places(body) if place[-1] in _SPECIAL]:
            place = draw(st.sampled_from(special))
            return path, with_raw(body, place, draw(st.sampled_from(_SPECIAL[place[-1]])))
    return path, with_raw(body, place, draw(st.sampled_from(_VALUES)))
