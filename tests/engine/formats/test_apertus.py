"""Apertus."""

from __future__ import annotations

from jupyter_uml.engine.formats.apertus import APERTUS
from tests.engine.formats.answers import allows, check, seconds_for

CALLS = '<|tools_prefix|>[{"get_weather": {"city": "Paris"}}, {"get_time": {}}]<|tools_suffix|>'
MEANT = [("get_weather", {"city": "Paris"}), ("get_time", {})]


def test_calls() -> None:
    check(
        APERTUS,
        f'<|inner_prefix|>Hm.<|inner_suffix|>{{"a": 1}} {CALLS}',
        reasoning="Hm.",
        content='{"a": 1}',
        calls=MEANT,
    )
    check(APERTUS, CALLS[: CALLS.index("ris")], calls=[("get_weather", '{"city": "Pa')], ended=0)
    check(APERTUS, "<|tools_prefix|>[no", content="<|tools_prefix|>[no")


def test_hostile_answers_take_linear_time() -> None:
    for text in ("<|tools_prefix|>[", '<|tools_prefix|>[{"', '{"a":', CALLS):
        assert seconds_for(APERTUS, text, 1 << 17) < 4


def test_the_grammar() -> None:
    for tokens in (False, True):
        assert allows(APERTUS, CALLS, tokens=tokens)
        assert not allows(APERTUS, CALLS, many=False, tokens=tokens)
        assert not allows(APERTUS, CALLS.replace("city", "town"), tokens=tokens)
        assert allows(APERTUS, f"Ok {CALLS}", free=True, tokens=tokens)
