"""Figures of workers."""

from __future__ import annotations

import os

import pytest

from jupyter_uml.loader import health
from jupyter_uml.loader.health import Throughput, resident_bytes


def test_memory_of_a_process_and_of_one_that_is_gone() -> None:
    assert (resident_bytes(os.getpid()) or 0) > 1 << 20
    assert resident_bytes(2**22 + 1) is None


def test_the_rate_is_of_the_time_in_which_there_was_work(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 100.0
    monkeypatch.setattr(health.time, "monotonic", lambda: clock)
    throughput = Throughput()
    assert throughput.per_second() is None
    for _ in range(2):  # two answers of eleven steps, and a pause between them
        for _ in range(11):
            throughput.add(2)
            clock += 0.1
        throughput.pause()
        clock += 1.0
    assert throughput.per_second() == pytest.approx(20)
    clock += health.WINDOW
    assert throughput.per_second() is None
