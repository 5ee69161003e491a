"""Qwen3-Coder and its relatives: Nemotron 3, Step 3.5, Seed-OSS, MiniCPM 5."""

from __future__ import annotations

import pytest

from jupyter_uml.engine.formats.qwen_coder import MINICPM, QWEN_CODER, QWEN_CODER_THINKING, SEED
from tests.engine.formats.answers import TOOLS, allows, allows_answer, check, read, seconds_for

CALL = (
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n3\n</parameter>\n"
    "</function>\n</tool_call>"
)
OPENED, CLOSED = "<|im_start|>assistant\n<think>\n", "<|im_start|>assistant\n<think>\n\n</think>\n\n"
PARIS = ("get_weather", {"city": "Paris", "days": 3})


def value(text: str, name: str = "city") -> str:
    return f"<tool_call>\n<function=get_weather>\n<parameter={name}>\n{text}\n</parameter>\n</function>\n</tool_call>"


def test_a_call_after_text() -> None:
    check(QWEN_CODER, f"Let me look.\n\n{CALL}", content="Let me look.", calls=[PARIS])


def test_several_calls() -> None:
    time = "<tool_call>\n<function=get_time>\n</function>\n</tool_call>"
    check(QWEN_CODER, f"{CALL}\n{time}", calls=[PARIS, ("get_time", {})])


def test_reasoning_opened_by_the_template_by_the_model_and_closed_by_the_template() -> None:
    check(QWEN_CODER_THINKING, f"Hm.\n</think>\n\n{CALL}", opening=OPENED, reasoning="Hm.", calls=[PARIS])
    check(
        QWEN_CODER_THINKING, f"<think>\nHm.\n</think>\n\nYes.\n{CALL}", reasoning="Hm.", content="Yes.", calls=[PARIS]
    )
    check(QWEN_CODER_THINKING, f"A <think> tag.\n{CALL}", opening=CLOSED, content="A <think> tag.", calls=[PARIS])


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        ("city", "a\n\nb", "a\n\nb"),
        ("city", "3", "3"),
        ("city", '"Ω" \\ </param', '"Ω" \\ </param'),
        ("city", "", ""),
        ("days", "3", 3),
        ("days", "three", "three"),
        ("hourly", "true", True),
        ("hourly", "False", False),
        ("unit", "C", "C"),
        ("tags", '["a", "b"]', ["a", "b"]),
        ("place", '{"lat": 1.5}', {"lat": 1.5}),
        ("place", "{broken", "{broken"),
        ("unknown", "12", 12),
        ("days", "NaN", "NaN"),
    ],
)
def test_values_by_the_schema(name: str, text: str, meant: object) -> None:
    check(QWEN_CODER, value(text, name), calls=[("get_weather", {name: meant})])


def test_a_call_that_is_cut_keeps_what_it_has() -> None:
    cut = CALL[: CALL.index("ris")]
    check(QWEN_CODER, cut, calls=[("get_weather", '{"city": "Pa')], ended=0)
    check(QWEN_CODER, "Hi <tool_call>\n<function=get_wea", content="Hi <tool_call>\n<function=get_wea")


@pytest.mark.parametrize(
    "text",
    [
        "A <tool_call> tag.",
        "<tool_call>\n{}",
        "a <function=> b",
        "x </tool_call> y",
        "<tool_call>\n<function=a b>\n",
        "<tool_ca",
    ],
)
def test_what_only_looks_like_a_call_is_content(text: str) -> None:
    check(QWEN_CODER, text, content=text)


def test_a_call_after_something_that_is_none() -> None:
    check(QWEN_CODER, f"The <tool_call> tag: {CALL}", content="The <tool_call> tag:", calls=[PARIS])

    check(QWEN_CODER, f"<function={CALL}", content="<function=", calls=[PARIS])


def test_what_is_too_long_for_a_name_is_not_held_back() -> None:
    parser = QWEN_CODER.parser(TOOLS, "")
    text = "<function=" + "a" * 300
    assert parser.push(text).content == text


def test_the_outer_tag_may_be_missing() -> None:
    check(QWEN_CODER, CALL.removeprefix("<tool_call>\n"), calls=[PARIS])


def test_without_tools_everything_is_content() -> None:
    check(QWEN_CODER, CALL, content=CALL, tools=())


def test_reasoning_is_known_while_it_lasts() -> None:
    parser = QWEN_CODER_THINKING.parser((), OPENED)
    assert parser.reasoning
    assert parser.push("Hm.</thi").reasoning == "Hm."
    assert parser.reasoning
    parser.push("nk>")
    assert not parser.reasoning
    assert not QWEN_CODER_THINKING.parser((), CLOSED).reasoning


def test_text_streams_as_it_comes() -> None:
    parser = QWEN_CODER.parser([], "")
    assert parser.push("Hello, wor").content == "Hello, wor"
    cut = CALL[: CALL.index("ris")]
    assert read(QWEN_CODER, [cut]).calls == [("get_weather", '{"city": "Pa')]


@pytest.mark.parametrize(
    "text", ["<tool_call>", "<tool_call>\n<function=", "<", CALL, "</think>", " \n", "<function=a>\n"]
)
def test_hostile_answers_take_linear_time(text: str) -> None:
    assert seconds_for(QWEN_CODER_THINKING, text, 1 << 18) < 4


def test_seed() -> None:
    call = (
        "<seed:tool_call>\n<function=get_weather>\n<parameter=city>Pa\nris</parameter>\n</function>\n</seed:tool_call>"
    )
    check(
        SEED,
        f"<seed:think>So.</seed:think>\nOk\n\n{call}",
        reasoning="So.",
        content="Ok",
        calls=[("get_weather", {"city": "Pa\nris"})],
    )
    assert allows(SEED, call)


def test_minicpm() -> None:
    city, days = '<param name="city"><![CDATA[<b>\n]]></param>', '<param name="days">2</param>'
    check(
        MINICPM,
        f'<function name="get_weather">{city}{days}</function>',
        calls=[("get_weather", {"city": "<b>\n", "days": 2})],
    )
    assert allows(MINICPM, '<function name="get_weather"><param name="city">Paris</param></function>')


@pytest.mark.parametrize("tokens", [False, True])
def test_the_grammar_allows_calls_as_they_should_be(tokens: bool) -> None:
    twice = f"{CALL}\n{value('a</b')}"
    assert allows(QWEN_CODER, CALL, tokens=tokens)
    assert allows(QWEN_CODER, twice, tokens=tokens)
    assert not allows(QWEN_CODER, twice, many=False, tokens=tokens)
    assert not allows(QWEN_CODER, f"Text {CALL}", tokens=tokens)
    assert not allows(QWEN_CODER, value("3", "days"), tokens=tokens), "a required parameter is missing"
    assert not allows(QWEN_CODER, CALL.replace("3", "three"), tokens=tokens)
    assert not allows(QWEN_CODER, CALL.replace("get_weather", "get_money"), tokens=tokens)
    assert not allows(QWEN_CODER, CALL[:-3], tokens=tokens)


@pytest.mark.parametrize("tokens", [False, True])
def test_the_free_grammar_binds_only_calls(tokens: bool) -> None:
    for text in ("Hello.", f"Text\n{CALL}", f"{CALL}\n{CALL}", "", "a < b"):
        assert allows(QWEN_CODER, text, free=True, tokens=tokens), text
    assert not allows(QWEN_CODER, f"Text {CALL.replace('3', 'x')}", free=True, tokens=tokens)


@pytest.mark.parametrize("tokens", [False, True])
def test_the_grammar_leaves_room_for_reasoning(tokens: bool) -> None:
    assert allows(QWEN_CODER_THINKING, f"Hm < 3\n</think>\n\n{CALL}", opening=OPENED, tokens=tokens)
    assert not allows(QWEN_CODER_THINKING, CALL, opening=OPENED, tokens=tokens)
    assert allows(QWEN_CODER_THINKING, CALL, opening=CLOSED, tokens=tokens)
    assert allows(QWEN_CODER_THINKING, f"<think>\nx\n</think>\n{CALL}", tokens=tokens)
    assert allows_answer(QWEN_CODER_THINKING, "/[0-9]+/", "Hm.</think>\n\n12", opening=OPENED, tokens=tokens)
    assert not allows_answer(QWEN_CODER_THINKING, "/[0-9]+/", "Hm.</think>\n\nx", opening=OPENED, tokens=tokens)
    assert allows_answer(QWEN_CODER_THINKING, "/[0-9]+/", "12", opening=CLOSED, tokens=tokens)
    assert allows_answer(QWEN_CODER, "/[0-9]+/", "12", tokens=tokens)
