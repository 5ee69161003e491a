"""The speed of a worker."""

from __future__ import annotations

import pytest

from jupyter_uml.loader.vitals.throughput import WINDOW, Throughput


def test_the_rate_is_of_the_time_in_which_there_was_work(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 100.0
    monkeypatch.setattr("jupyter_uml.loader.vitals.throughput.time.monotonic", lambda: clock)
    throughput = Throughput()
    assert throughput.per_second() is None
    for _ in range(2):  # two answers of eleven steps, and a pause between them
        for _ in range(11):
            throughput.add(2)
            clock += 0.1
        throughput.pause()
        clock += 1.0
    assert throughput.per_second() == pytest.approx(20)
    assert throughput.take_rate() == pytest.approx(44 / 4.2)
    clock += WINDOW
    assert throughput.take_rate() == 0
    assert throughput.per_second() is None
