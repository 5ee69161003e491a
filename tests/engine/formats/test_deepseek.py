"""All that DeepSeek's models write."""

from __future__ import annotations

import pytest

from jupyter_uml.engine.formats.chat_format import ChatFormat
from jupyter_uml.engine.formats.deepseek import DEEPSEEK_R1, DEEPSEEK_V4, DEEPSEEK_V31, DEEPSEEK_V32
from jupyter_uml.types import ToolCall
from tests.engine.formats.answers import allows, allows_answer, check, seconds_for

BEGIN, END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
CALL, CALL_END, SEP = "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>"
R1_CALL = f'{CALL}function{SEP}get_weather\n```json\n{{"city": "Paris"}}\n```{CALL_END}'
R1 = f"{BEGIN}{R1_CALL}\n{R1_CALL}{END}"
V31_CALL = f'{CALL}get_weather{SEP}{{"city": "Paris"}}{CALL_END}'
V31 = f"{BEGIN}{V31_CALL}{V31_CALL}{END}"
INVOKE = (
    '<｜DSML｜invoke name="get_weather">\n<｜DSML｜parameter name="city" string="true">Paris</｜DSML｜parameter>\n'
    '<｜DSML｜parameter name="days" string="false">3</｜DSML｜parameter>\n</｜DSML｜invoke>\n'
)
V32 = f"<｜DSML｜function_calls>\n{INVOKE}{INVOKE}</｜DSML｜function_calls>"
V4 = V32.replace("function_calls", "tool_calls")
PARIS = ("get_weather", {"city": "Paris"})
PARIS_3 = ("get_weather", {"city": "Paris", "days": 3})
THINK = "<｜Assistant｜><think>"


def test_calls_of_each_version() -> None:
    check(
        DEEPSEEK_R1,
        f"Hm.\n</think>\n\nOk.\n{R1}",
        opening=f"{THINK}\n",
        reasoning="Hm.",
        content="Ok.",
        calls=[PARIS] * 2,
    )
    check(DEEPSEEK_V31, f"Hm.</think>Ok.{V31}", opening=THINK, reasoning="Hm.", content="Ok.", calls=[PARIS] * 2)
    check(DEEPSEEK_V31, f"Ok.{V31}", opening=f"{THINK}</think>", content="Ok.", calls=[PARIS] * 2)
    check(DEEPSEEK_V32, f"Hm.</think>Ok.\n\n{V32}", opening=THINK, reasoning="Hm.", content="Ok.", calls=[PARIS_3] * 2)
    check(DEEPSEEK_V4, f"Ok.\n\n{V4}", opening="<｜Assistant｜></think>", content="Ok.", calls=[PARIS_3] * 2)


def test_a_call_may_end_the_reasoning() -> None:
    check(DEEPSEEK_V31, f"Hm.{V31}", opening=THINK, reasoning="Hm.", calls=[PARIS] * 2)


def test_arguments_without_parameters() -> None:
    check(DEEPSEEK_V31, f"{BEGIN}{CALL}get_time{SEP}{{}}{CALL_END}{END}", calls=[("get_time", {})])
    check(DEEPSEEK_V31, f"{BEGIN}{CALL}get_time{SEP}{CALL_END}{END}", calls=[("get_time", {})])
    check(
        DEEPSEEK_V4,
        '<｜DSML｜tool_calls>\n<｜DSML｜invoke name="get_time">\n\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>',
        calls=[("get_time", {})],
    )


def test_the_attribute_says_what_a_value_is() -> None:
    swapped = V4.replace('"true">Paris', '"false">[1]').replace('"false">3', '"true">3')
    check(DEEPSEEK_V4, swapped, calls=[("get_weather", {"city": [1], "days": "3"})] * 2)


@pytest.mark.parametrize(
    ("format", "answer", "arguments"),
    [(DEEPSEEK_R1, R1, '{"city": "Pa'), (DEEPSEEK_V31, V31, '{"city": "Pa'), (DEEPSEEK_V32, V32, '{"city": "Pa')],
)
def test_a_cut_call(format: ChatFormat, answer: str, arguments: str) -> None:
    check(format, answer[: answer.index("ris")], calls=[("get_weather", arguments)], ended=0)


@pytest.mark.parametrize(
    "text", [f"a {BEGIN} b", f"{BEGIN}{CALL}what is this", "<｜DSML｜function_calls>\nno", "a <｜ b"]
)
@pytest.mark.parametrize("format", [DEEPSEEK_R1, DEEPSEEK_V31, DEEPSEEK_V32])
def test_what_only_looks_like_a_call_is_content(format: ChatFormat, text: str) -> None:
    check(format, text, content=text)


def test_something_that_is_no_call_after_one_that_is() -> None:
    check(DEEPSEEK_V31, f"{V31_CALL}{CALL}and so on", content=f"{CALL}and so on", calls=[PARIS])


@pytest.mark.parametrize(
    ("format", "text"),
    [
        (DEEPSEEK_R1, R1),
        (DEEPSEEK_V31, BEGIN),
        (DEEPSEEK_V31, CALL),
        (DEEPSEEK_V31, f"{CALL}a{SEP}"),
        (DEEPSEEK_V31, V31),
        (DEEPSEEK_V32, "<｜DSML｜function_calls>"),
        (DEEPSEEK_V32, V32),
    ],
)
def test_hostile_answers_take_linear_time(format: ChatFormat, text: str) -> None:
    assert seconds_for(format, text, 1 << 18) < 4


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize(
    ("format", "answer"), [(DEEPSEEK_R1, R1), (DEEPSEEK_V31, V31), (DEEPSEEK_V32, V32), (DEEPSEEK_V4, V4)]
)
def test_the_grammar(format: ChatFormat, answer: str, tokens: bool) -> None:
    assert allows(format, answer, tokens=tokens)
    assert not allows(format, answer, many=False, tokens=tokens)
    assert not allows(format, answer.replace("city", "town"), tokens=tokens)
    assert not allows(format, f"Text {answer}", tokens=tokens)
    assert allows(format, f"Hm < 3</think>{answer}", opening=THINK, tokens=tokens)
    assert allows(format, f"Text {answer}", opening=f"{THINK}</think>", free=True, tokens=tokens)
    assert allows(format, "Text </ only", free=True, tokens=tokens)
    assert not allows(format, f"Text {answer.replace('get_weather', 'get_money')}", free=True, tokens=tokens)
    assert allows_answer(format, "/[0-9]+/", "Hm.</think>7", opening=THINK, tokens=tokens)


def test_calls_are_written_as_they_are_read() -> None:
    calls = [ToolCall("1", "get_weather", '{"city": "Paris"}')] * 2
    assert DEEPSEEK_R1.written(calls) == R1
    assert DEEPSEEK_V31.written(calls) == V31
