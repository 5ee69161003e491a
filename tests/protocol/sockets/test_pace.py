"""Messages are read at a bounded rate; nobody who keeps to it waits."""

from __future__ import annotations

import pytest

from jupyter_uml.protocol.sockets.pace import Pace

pytestmark = pytest.mark.anyio


class Time:
    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


async def test_a_burst_is_read_at_once_and_more_at_the_rate() -> None:
    time = Time()
    pace = Pace(10, 5, clock=time.clock, sleep=time.sleep)
    for _ in range(5):
        await pace.keep()
    assert time.slept == pytest.approx(0, abs=1e-6)
    for _ in range(20):
        await pace.keep()
    assert time.slept == pytest.approx(2)


async def test_silence_is_saved_up_for_one_burst_only() -> None:
    time = Time()
    pace = Pace(10, 5, clock=time.clock, sleep=time.sleep)
    time.now += 3600
    for _ in range(6):
        await pace.keep()
    assert time.slept == pytest.approx(0.1)
