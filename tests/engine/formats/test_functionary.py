"""Functionary 3.1 and 3.2."""

from __future__ import annotations

from jupyter_uml.engine.formats.functionary import FUNCTIONARY_31, FUNCTIONARY_32
from tests.engine.formats.answers import allows, allows_answer, check, seconds_for

V31 = '<function=get_weather>{"city": "Paris"}</function>'
PARIS = ("get_weather", {"city": "Paris"})
OPENING = "<|start_header_id|>assistant<|end_header_id|>\n\n>>>"
CALLS = 'get_weather\n{"city": "Paris"}>>>get_time\n{}'


def test_version_31() -> None:
    check(FUNCTIONARY_31, f"Ok. {V31}{V31}", content="Ok.", calls=[PARIS] * 2)
    check(FUNCTIONARY_31, "a <function=x y", content="a <function=x y")
    assert allows(FUNCTIONARY_31, V31)
    assert not allows(FUNCTIONARY_31, V31.replace("city", "town"))


def test_version_32() -> None:
    check(FUNCTIONARY_32, CALLS, opening=OPENING, calls=[PARIS, ("get_time", {})])
    check(
        FUNCTIONARY_32,
        f"all\nOk >>> x.\n>>>{CALLS}",
        opening=OPENING,
        content="Ok >>> x.",
        calls=[PARIS, ("get_time", {})],
    )
    check(FUNCTIONARY_32, "Ok.", opening="", content="Ok.")
    check(
        FUNCTIONARY_32, CALLS[: CALLS.index("ris")], opening=OPENING, calls=[("get_weather", '{"city": "Pa')], ended=0
    )


def test_hostile_answers_take_linear_time() -> None:
    for text in (">>>", ">>>all\n", ">>>get_weather\n", CALLS):
        assert seconds_for(FUNCTIONARY_32, text, 1 << 17, OPENING) < 4


def test_the_grammar() -> None:
    assert allows(FUNCTIONARY_32, CALLS, opening=OPENING)
    assert not allows(FUNCTIONARY_32, CALLS, opening=OPENING, many=False)
    assert allows(FUNCTIONARY_32, f"all\nOk.\n>>>{CALLS}", opening=OPENING, free=True)
    assert allows(FUNCTIONARY_32, "all\nOk.", opening=OPENING, free=True)
    assert allows_answer(FUNCTIONARY_32, "/[0-9]+/", "all\n7", opening=OPENING)
