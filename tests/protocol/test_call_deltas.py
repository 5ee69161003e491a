"""Pieces of tool calls."""

from jupyter_uml.protocol.call_deltas import together
from jupyter_uml.types import CallDelta


def test_pieces_of_one_call_become_one() -> None:
    calls = [
        CallDelta(0, "", "a", "f"),
        CallDelta(0, "{"),
        CallDelta(0, "}"),
        CallDelta(1, "", "b", "g"),
        CallDelta(1, "{}"),
    ]
    assert together(calls) == [CallDelta(0, "{}", "a", "f"), CallDelta(1, "{}", "b", "g")]
    assert together([]) == []
