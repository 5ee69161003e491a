"""Refused requests: each is told, a flood of them as a number."""

from __future__ import annotations

from jupyter_uml.access import AuditEvent
from jupyter_uml.server.refusals import MOST, Refusals

EVENT = AuditEvent("request.refused", "refused", details={"why": "test"})


def test_a_flood_is_a_number_and_none_is_forgotten() -> None:
    told: list[AuditEvent] = []
    now = 0.0
    refusals = Refusals(told.append, lambda: now)
    for _ in range(1000):
        refusals.add(EVENT)
    assert len(told) == MOST
    now = 0.21
    refusals.add(EVENT)
    assert told[-1].details == {"why": "test", "others_before": 1000 - MOST}
    now = 100.0  # a pause gives no claim to more than a second's worth
    for _ in range(20):
        refusals.add(EVENT)
    assert len(told) == 2 * MOST + 1
    refusals.close()
    assert sum(event.details.get("others_before", 0) + 1 for event in told) - 1 == 1021  # type: ignore[operator]
