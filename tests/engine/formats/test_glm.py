"""GLM and its relatives: Laguna, Ling, Spark, Hunyuan."""

from __future__ import annotations

import pytest

from jupyter_uml.engine.formats.glm import GLM, GLM_COMPACT, recognise
from tests.engine.formats.answers import allows, check, seconds_for
from tests.engine.llama_sources import template

LINES = (
    "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>New\nYork</arg_value>\n"
    "<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n</tool_call>"
)
COMPACT = "<tool_call>get_weather<arg_key>city</arg_key><arg_value>New\nYork</arg_value></tool_call>"


def test_a_call_with_lines_and_without() -> None:
    new_york = ("get_weather", {"city": "New\nYork", "days": 3})
    check(GLM, f"\n<think>Hm.</think>\nOk.\n{LINES}", reasoning="Hm.", content="Ok.", calls=[new_york])
    check(GLM, f"{LINES}\n{COMPACT}", calls=[new_york, ("get_weather", {"city": "New\nYork"})])
    check(GLM, "<tool_call>get_time\n</tool_call>", calls=[("get_time", {})])
    check(GLM, "<tool_call>get_time</tool_call>", calls=[("get_time", {})])


def test_reasoning_that_the_template_opens_or_closes() -> None:
    check(
        GLM_COMPACT,
        f"Hm.</think>Ok{COMPACT}",
        opening="<|assistant|><think>",
        reasoning="Hm.",
        content="Ok",
        calls=[("get_weather", {"city": "New\nYork"})],
    )
    check(GLM_COMPACT, "Ok", opening="<|assistant|></think>", content="Ok")
    check(GLM_COMPACT, "</think>Ok", opening="<|assistant|>", content="Ok")


@pytest.mark.parametrize("text", ["<tool_call> is a tag\n", "<tool_call>get weather now\n", "1 </arg_value> 2"])
def test_what_only_looks_like_a_call_is_content(text: str) -> None:
    check(GLM, text + "x", content=text + "x")


def test_a_cut_call() -> None:
    check(GLM, LINES[: LINES.index("York")], calls=[("get_weather", '{"city": "New\\n')], ended=0)


@pytest.mark.parametrize("text", ["<tool_call>", "<tool_call>a\n", "<arg_key>", LINES])
def test_hostile_answers_take_linear_time(text: str) -> None:
    assert seconds_for(GLM, text, 1 << 18) < 4


@pytest.mark.parametrize("tokens", [False, True])
def test_the_grammar(tokens: bool) -> None:
    assert allows(GLM, f"{LINES}\n{LINES}", tokens=tokens)
    assert not allows(GLM, LINES.replace("3", "x"), tokens=tokens)
    assert allows(GLM_COMPACT, COMPACT, tokens=tokens)
    assert allows(GLM_COMPACT, f"Hm.</think>{COMPACT}", opening="<|assistant|><think>", tokens=tokens)
    assert allows(GLM_COMPACT, f"<think>Hm.</think>Yes.{COMPACT}", free=True, tokens=tokens)
    assert not allows(GLM_COMPACT, f"Yes.{COMPACT}".replace("city", "town"), free=True, tokens=tokens)


def test_hunyuan_names_its_tags_in_the_template() -> None:
    hunyuan = recognise(template("tencent-Hy3"))
    assert hunyuan
    call = LINES.replace("get_weather", "get_weather<tool_sep>")
    answer = f"<think>Hm.</think>Ok<tool_calls>\n{call}\n</tool_calls>".replace(">", ":opensource>")
    check(hunyuan, answer, reasoning="Hm.", content="Ok", calls=[("get_weather", {"city": "New\nYork", "days": 3})])
    assert allows(hunyuan, answer.partition("Ok")[2])
