"""Hermes, Mistral, Granite, Phi, Llama 3, the lists between tags, and the JSON of any other model."""

from __future__ import annotations

import json

import pytest

from jupyter_uml.engine.formats.detect import chat_format
from jupyter_uml.engine.formats.generic import GENERIC, GENERIC_THINKING, described
from jupyter_uml.engine.formats.granite import GRANITE
from jupyter_uml.engine.formats.hermes import HERMES, HERMES_THINKING
from jupyter_uml.engine.formats.json_lists import APRIEL, GIGACHAT, GIGACHAT_ROLES, NEMOTRON
from jupyter_uml.engine.formats.llama3 import LLAMA3
from jupyter_uml.engine.formats.mistral import MISTRAL, MISTRAL_IDS, MISTRAL_LIST, MISTRAL_THINKING
from jupyter_uml.engine.formats.phi import PHI
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import Tool, ToolCall
from tests.engine.formats.answers import TOOLS, allows, allows_answer, check, read, seconds_for

CALL = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
PARIS = ("get_weather", {"city": "Paris"})
TIME = ("get_time", {})
HERMES_CALL = f"<tool_call>\n{CALL}\n</tool_call>"
FORMATS = [
    HERMES_THINKING,
    MISTRAL_LIST,
    MISTRAL,
    MISTRAL_IDS,
    GRANITE,
    PHI,
    LLAMA3,
    NEMOTRON,
    APRIEL,
    GIGACHAT,
    GENERIC,
]


def test_hermes() -> None:
    check(HERMES, HERMES_CALL, calls=[PARIS])
    check(HERMES, f"I look.\n{HERMES_CALL}\n{HERMES_CALL}\n", content="I look.", calls=[PARIS, PARIS])
    check(HERMES_THINKING, f"<think>\nHm.\n</think>\n\n{HERMES_CALL}", reasoning="Hm.", calls=[PARIS])
    check(HERMES_THINKING, "Hm.\n</think>\n\nIt rains.", opening="<think>\n", reasoning="Hm.", content="It rains.")
    check(HERMES_THINKING, "It rains.", opening="<think>\n\n</think>\n\n", content="It rains.")


def test_members_may_come_in_any_order_and_more_of_them() -> None:
    check(
        HERMES,
        '<tool_call>{"id": [1], "arguments": {"city": "Paris"}, "name": "get_weather"}</tool_call>',
        calls=[PARIS],
    )
    check(
        HERMES,
        '<tool_call>{"name": "get_weather", "parameters": {"city": "Paris"}, "x": {}}</tool_call>',
        calls=[PARIS],
    )
    check(HERMES, '<tool_call>{"name": "get_time"}</tool_call>', calls=[TIME])


def test_arguments_may_be_json_within_a_string() -> None:
    inner = json.dumps('{"city": "Paris"}')
    check(HERMES, f'<tool_call>{{"name": "get_weather", "arguments": {inner}}}</tool_call>', calls=[PARIS])


def test_arguments_come_as_they_are_written() -> None:
    parser = HERMES.parser(TOOLS, "")
    parser.push('<tool_call>{"name": "get_weather", "arguments": {"ci')
    assert "".join(delta.arguments for delta in parser.push('ty": "Pa').calls) == 'ty": "Pa'
    assert parser.calls_ended == 0
    parser.push('ris"}}')
    assert parser.calls_ended == 1


def test_a_call_that_was_cut_keeps_what_it_has() -> None:
    check(HERMES, HERMES_CALL[: HERMES_CALL.index('is"')], calls=[("get_weather", '{"city": "Par')], ended=0)
    check(HERMES, '<tool_call>{"name": "get_weather"', calls=[("get_weather", "")], ended=0)
    check(HERMES, '<tool_call>\n{"na', content='<tool_call>\n{"na')


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>",
        "<tool_call> no",
        '<tool_call>{"a": 1}</tool_call>',
        "<tool_call><tool_call>",
        "<tool_ca",
        "a </tool_call>",
    ],
)
def test_what_only_looks_like_a_call_is_content(text: str) -> None:
    assert read(HERMES, list(text)).calls == []
    assert read(HERMES, list(text)).content.replace("</tool_call>", "") == text.replace("</tool_call>", "")


def test_without_tools_there_are_no_calls() -> None:
    check(HERMES, HERMES_CALL, content=HERMES_CALL, tools=())


def test_mistral() -> None:
    check(MISTRAL_LIST, f"[TOOL_CALLS][{CALL}, {CALL}]", calls=[PARIS, PARIS])
    check(MISTRAL, '[TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}[TOOL_CALLS]get_time[ARGS]{}', calls=[PARIS, TIME])
    check(MISTRAL_IDS, '[TOOL_CALLS]get_weather[CALL_ID]abcdefghi[ARGS]{"city": "Paris"}', calls=[PARIS])
    check(MISTRAL_THINKING, "[THINK]Hm.[/THINK]It rains.", reasoning="Hm.", content="It rains.")


def test_lists_between_tags() -> None:
    check(GRANITE, f"<|tool_call|>[{CALL}]", calls=[PARIS])
    check(PHI, f"<|tool_call|>[{CALL}]<|/tool_call|>", calls=[PARIS])
    check(
        NEMOTRON, f"<think>\nHm.\n</think>\n\n<TOOLCALL>[{CALL}, {CALL}]</TOOLCALL>", reasoning="Hm.", calls=[PARIS] * 2
    )
    check(APRIEL, f"<tool_calls>[{CALL}]</tool_calls>", calls=[PARIS])
    check(GIGACHAT, f"<|function_call|>{CALL}", calls=[PARIS])
    check(GIGACHAT_ROLES, f"<|message_sep|>\n\nfunction call<|role_sep|>\n{CALL}", calls=[PARIS])


def test_llama() -> None:
    check(LLAMA3, '{"name": "get_weather", "parameters": {"city": "Paris"}}', calls=[PARIS])
    check(LLAMA3, '<|python_tag|>{"name": "get_weather", "parameters": {"city": "Paris"}}', calls=[PARIS])
    check(LLAMA3, '{"name": "other", "parameters": {}}', content='{"name": "other", "parameters": {}}')
    check(LLAMA3, "<|python_tag|>print(1)", content="<|python_tag|>print(1)")


def test_any_model() -> None:
    check(GENERIC, CALL, calls=[PARIS])
    check(GENERIC, f"[{CALL}, {CALL}]", calls=[PARIS, PARIS])
    check(GENERIC, f"```json\n{CALL}\n```", calls=[PARIS])
    check(GENERIC_THINKING, f"<think>Hm.</think>\n{CALL}", reasoning="Hm.", calls=[PARIS])
    for text in ('{"name": "get_weather"}', '{"city": "Paris"}', "[1, 2]", "```json\n{}\n```", "{", f"See: {CALL}"):
        check(GENERIC, text, content=text)


def test_a_model_that_knows_no_tools_is_told_of_them() -> None:
    text = described(TOOLS, GENERIC.written)
    assert "get_weather" in text
    assert "The weather of a city" in text
    assert '"name"' in text.splitlines()[-3]


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("format", FORMATS, ids=lambda each: each.name)
def test_required_calls_are_written_as_they_are_read(format: object, tokens: bool) -> None:
    texts = {
        HERMES_THINKING: HERMES_CALL,
        MISTRAL_LIST: f"[TOOL_CALLS][{CALL}]",
        MISTRAL: '[TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}',
        MISTRAL_IDS: '[TOOL_CALLS]get_weather[CALL_ID]abcdefghi[ARGS]{"city": "Paris"}',
        LLAMA3: CALL.replace("arguments", "parameters"),
        GENERIC: CALL,
        GIGACHAT: f"<|function_call|>{CALL}",
        NEMOTRON: f"<TOOLCALL>[{CALL}]</TOOLCALL>",
        APRIEL: f"<tool_calls>[{CALL}]</tool_calls>",
        GRANITE: f"<|tool_call|>[{CALL}]",
        PHI: f"<|tool_call|>[{CALL}]<|/tool_call|>",
    }
    text = texts[format]  # type: ignore[index]
    assert allows(format, text, tokens=tokens)  # type: ignore[arg-type]
    assert not allows(format, f"Well, {text}", tokens=tokens)  # type: ignore[arg-type]
    assert not allows(format, text.replace('"Paris"', "1"), tokens=tokens)  # type: ignore[arg-type]
    assert not allows(format, text.replace("get_weather", "get_whether"), tokens=tokens)  # type: ignore[arg-type]
    assert not allows(format, "It rains.", tokens=tokens)  # type: ignore[arg-type]


@pytest.mark.parametrize("tokens", [False, True])
def test_strict_tools_leave_an_answer_free(tokens: bool) -> None:
    for text in ("It rains.", HERMES_CALL, f"I look.\n{HERMES_CALL}", f"{HERMES_CALL}\n{HERMES_CALL}"):
        assert allows(HERMES, text, free=True, tokens=tokens)
    assert not allows(HERMES, HERMES_CALL.replace('"Paris"', "1"), free=True, tokens=tokens)
    assert allows(GENERIC, "It rains.", free=True)
    assert allows(GENERIC, f"[{CALL}, {CALL}]", free=True)
    assert allows(GENERIC, "[Rain](forecast)", free=True)
    assert not allows(GENERIC, '{"city": "Paris"}', free=True)
    assert not allows(GENERIC, '[{"city": "Paris"}]', free=True)
    assert not allows(LLAMA3, f"[{CALL}]", many=False)


def test_a_schema_that_is_not_wholly_known_is_refused_for_strict_tools_only() -> None:
    schema = '{"type": "object", "properties": {"city": {"type": "string", "format": "no-such-format"}}}'
    assert allows(HERMES, HERMES_CALL, tools=[Tool("get_weather", "", schema)])
    with pytest.raises(InvalidRequest):
        allows(HERMES, HERMES_CALL, tools=[Tool("get_weather", "", schema, strict=True)])


@pytest.mark.parametrize("tokens", [False, True])
def test_one_call_at_most(tokens: bool) -> None:
    assert allows(HERMES, HERMES_CALL, many=False, tokens=tokens)
    assert not allows(HERMES, f"{HERMES_CALL}\n{HERMES_CALL}", many=False, tokens=tokens)


def test_a_structured_answer_comes_after_reasoning() -> None:
    body = '%json {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}'
    for tokens in (False, True):
        assert allows_answer(HERMES_THINKING, body, '<think>Hm.</think>\n\n{"a": 1}', tokens=tokens)
        assert allows_answer(HERMES_THINKING, body, 'Hm.\n</think>\n\n{"a": 1}', opening="<think>\n", tokens=tokens)
        assert allows_answer(HERMES_THINKING, body, '{"a": 1}', tokens=tokens)
        assert not allows_answer(HERMES_THINKING, body, '<think>Hm.</think>\n\n{"a": "x"}', tokens=tokens)


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>",
        "<tool_call>{",
        "<tool_call>[",
        "{",
        "[",
        '{"name": ',
        "<think>",
        "[TOOL_CALLS][",
        " ",
        HERMES_CALL,
        "```json",
    ],
)
@pytest.mark.parametrize("format", FORMATS, ids=lambda each: each.name)
def test_hostile_answers_take_linear_time(format: object, text: str) -> None:
    assert seconds_for(format, text, 1 << 16) < 1  # type: ignore[arg-type]


def test_a_quarter_of_a_megabyte_of_opening_markers_takes_seconds() -> None:
    for text in ("<tool_call>", "<tool_call>[{", "{", "["):
        assert seconds_for(HERMES, text, 1 << 18) < 4


@pytest.mark.parametrize(
    ("template", "name"),
    [
        (None, "generic"),
        ("{{ messages }}", "generic"),
        ("<tool_call>", "hermes"),
        ("[TOOL_CALLS]", "mistral-list"),
        ("[TOOL_CALLS][ARGS]", "mistral"),
        ("<|start_header_id|>ipython<|end_header_id|>", "llama3"),
        ("<|tool|>{{ tools }}<|/tool|>", "phi"),
    ],
)
def test_a_format_is_known_by_the_template(template: str | None, name: str) -> None:
    assert chat_format(template).name == name


def test_calls_can_be_written_into_the_history() -> None:
    call = ToolCall("1", "get_weather", '{"city": "Paris"}')
    assert GRANITE.written([call]) == f"<|tool_call|>[{CALL}]"
    assert GENERIC.written([call]) == CALL
    assert HERMES.written([call, call]) == f"{HERMES_CALL}\n{HERMES_CALL}"
