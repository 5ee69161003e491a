"""MiniMax M1, M2 and M3."""

from __future__ import annotations

import pytest

from jupyter_uml.engine.formats.chat_format import ChatFormat
from jupyter_uml.engine.formats.minimax import MINIMAX_M1, MINIMAX_M2, MINIMAX_M3
from tests.engine.formats.answers import allows, check, seconds_for

M1 = (
    '<tool_calls>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n'
    '{"name": "get_time", "arguments": {}}\n</tool_calls>'
)
M2_CALL = (
    '<invoke name="get_weather">\n<parameter name="city">Paris</parameter>\n'
    '<parameter name="days">3</parameter>\n</invoke>\n'
)
M2 = f"<minimax:tool_call>\n{M2_CALL}{M2_CALL}</minimax:tool_call>"
PARIS = ("get_weather", {"city": "Paris", "days": 3})
MARK = "]<]minimax[>["


def marked(xml: str) -> str:
    return xml.replace("<", f"{MARK}<")


M3 = marked(
    '<tool_call>\n<invoke name="get_weather"><city>Paris</city><days>3</days><tags><item>a</item><item>b</item></tags>'
    '<place><lat>1.5</lat><name>x</name></place></invoke>\n<invoke name="get_time"></invoke>\n</tool_call>'
)
M3_CALLS = [
    ("get_weather", {"city": "Paris", "days": 3, "tags": ["a", "b"], "place": {"lat": 1.5, "name": "x"}}),
    ("get_time", {}),
]


def test_m1() -> None:
    calls = [("get_weather", {"city": "Paris"}), ("get_time", {})]
    check(MINIMAX_M1, f"<think>\nHm.\n</think>\nOk.\n{M1}", reasoning="Hm.", content="Ok.", calls=calls)
    assert allows(MINIMAX_M1, M1)
    assert not allows(MINIMAX_M1, M1, many=False)


def test_m2() -> None:
    check(
        MINIMAX_M2,
        f"Hm.\n</think>\n\nOk.\n{M2}",
        opening="]~b]ai\n<think>\n",
        reasoning="Hm.",
        content="Ok.",
        calls=[PARIS] * 2,
    )


def test_m3() -> None:
    check(MINIMAX_M3, f"<mm:think>Hm.</mm:think>Ok.{M3}", reasoning="Hm.", content="Ok.", calls=M3_CALLS)
    check(MINIMAX_M3, f"</mm:think>Ok.{M3}", content="Ok.", calls=M3_CALLS)


@pytest.mark.parametrize(("format", "answer"), [(MINIMAX_M1, M1), (MINIMAX_M2, M2), (MINIMAX_M3, M3)])
def test_a_cut_call(format: ChatFormat, answer: str) -> None:
    check(format, answer[: answer.index("ris")], calls=[("get_weather", '{"city": "Pa')], ended=0)


def test_a_cut_within_an_array() -> None:
    cut = '{"city": "Paris", "days": 3, "tags": ["a"'
    check(MINIMAX_M3, M3[: M3.index(marked("<item>b"))], calls=[("get_weather", cut)], ended=0)


@pytest.mark.parametrize(
    "text", ["<minimax:tool_call> is", "<invoke name= x", "<tool_calls>\nno", f"{MARK}<tool_call>"]
)
def test_what_only_looks_like_a_call_is_content(text: str) -> None:
    for format in (MINIMAX_M1, MINIMAX_M2, MINIMAX_M3):
        check(format, text, content=text)


@pytest.mark.parametrize(
    ("format", "text"),
    [
        (MINIMAX_M1, M1),
        (MINIMAX_M1, "<tool_calls>\n{"),
        (MINIMAX_M2, '<invoke name="'),
        (MINIMAX_M2, M2),
        (MINIMAX_M3, MARK),
        (MINIMAX_M3, marked("<a>")),
        (MINIMAX_M3, M3),
    ],
)
def test_hostile_answers_take_linear_time(format: ChatFormat, text: str) -> None:
    assert seconds_for(format, text, 1 << 18) < 4


def test_elements_within_elements_without_end() -> None:
    start = marked('<tool_call>\n<invoke name="get_weather">')
    assert seconds_for(MINIMAX_M3, start + marked("<a>") * 5000, 1 << 16) < 4


@pytest.mark.parametrize("tokens", [False, True])
def test_the_grammar(tokens: bool) -> None:
    assert allows(MINIMAX_M2, M2, tokens=tokens)
    assert not allows(MINIMAX_M2, M2, many=False, tokens=tokens)
    assert not allows(MINIMAX_M2, M2.replace(">3<", ">x<"), tokens=tokens)
    assert allows(MINIMAX_M2, f"Hm.\n</think>\n\nOk.\n{M2}", opening="<think>\n", free=True, tokens=tokens)
    assert allows(MINIMAX_M3, M3, tokens=tokens)
    assert not allows(MINIMAX_M3, M3.replace("1.5", "x"), tokens=tokens)
    assert allows(MINIMAX_M3, f"Ok. {M3}", opening="</mm:think>", free=True, tokens=tokens)
