"""Pieces of tool calls, on their way to a client."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from jupyter_uml.types import CallDelta


def together(calls: Iterable[CallDelta]) -> list[CallDelta]:
    """Pieces of one call that came at once, as one piece: some clients read only the first of an event."""
    joined: list[CallDelta] = []
    for call in calls:
        if joined and joined[-1].index == call.index:
            joined[-1] = replace(joined[-1], arguments=joined[-1].arguments + call.arguments)
        else:
            joined.append(call)
    return joined
