"""What is repeated, after how long, and when it is given up."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_uml.client.retry import RetryPolicy, with_retries
from jupyter_uml.errors import (
    ConnectionFailed,
    InsufficientMemory,
    InvalidRequest,
    ModelRestarting,
    Overloaded,
    UmlError,
    WorkerDied,
)

POLICY = RetryPolicy()
BUSY = Overloaded("busy", retry_after=2)


class Clock:
    """Time passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def __call__(self) -> float:
        return self.now


def attempts(errors: list[UmlError], *, idempotent: bool) -> tuple[str | UmlError, list[float]]:
    clock, left = Clock(), list(errors)

    async def call() -> str:
        if left:
            raise left.pop(0)
        return "done"

    async def main() -> str | UmlError:
        try:
            return await with_retries(call, idempotent=idempotent, policy=POLICY, sleep=clock.sleep, clock=clock)
        except UmlError as error:
            return error

    return asyncio.run(main()), clock.waits


@pytest.mark.parametrize("idempotent", [True, False])
def test_retry_after_is_obeyed(idempotent: bool) -> None:
    result, waits = attempts([BUSY, BUSY], idempotent=idempotent)
    assert result == "done"
    assert all(2 <= wait <= 2.2 for wait in waits)
    assert len(waits) == 2


def test_a_request_that_ends_the_models_process_is_not_sent_for_ever() -> None:
    died, restarting = WorkerDied("died", retry_after=1), ModelRestarting("soon", retry_after=1)
    assert attempts([died, restarting], idempotent=False)[0] == "done"
    result, waits = attempts([died, restarting, died], idempotent=False)
    assert result is died
    assert len(waits) == 2


def test_a_lost_connection_is_tried_again_only_where_that_is_harmless() -> None:
    lost = ConnectionFailed("refused")
    assert attempts([lost, lost], idempotent=True)[0] == "done"
    assert attempts([lost], idempotent=False) == (lost, [])


def test_a_server_that_is_not_there_is_given_up_soon() -> None:
    lost = [ConnectionFailed("refused") for _ in range(9)]
    result, waits = attempts(list(lost), idempotent=True)
    assert result is lost[POLICY.connection_attempts - 1]
    assert sum(waits) < 1


def test_no_wait_is_longer_than_allowed() -> None:
    policy = RetryPolicy(connection_attempts=5000, longest_wait=3)
    waits = [policy.delay(ConnectionFailed("refused"), attempt, 0, True) or 0 for attempt in (0, 1, 3, 9, 2000)]
    assert waits == [pytest.approx(wait, rel=0.1) for wait in (0.2, 0.4, 1.6, 3, 3)]
    assert (policy.delay(Overloaded("busy", retry_after=20), 0, 0, True) or 0) >= 20


def test_the_deadline_bounds_all_waits_together() -> None:
    result, waits = attempts([BUSY] * 100, idempotent=True)
    assert result is BUSY
    assert sum(waits) <= POLICY.deadline


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    error = Overloaded("busy", retry_after=3600)
    assert attempts([error], idempotent=True) == (error, [])


@pytest.mark.parametrize("error", [InvalidRequest("no"), InsufficientMemory("m", 2, 1), UmlError("bug")])
def test_other_errors_are_final(error: UmlError) -> None:
    assert attempts([error], idempotent=True) == (error, [])
