"""A worker that hangs is told from one that works long, waits for its disk, or was suspended with the machine."""

from __future__ import annotations

from dataclasses import replace

from jupyter_uml.loader.vitals.process_reading import Reading
from jupyter_uml.loader.vitals.watchdog import Patience, Watchdog

PATIENCE = Patience(silence=30, standstill=60, uncounted=600)


class Case:
    """A watchdog, and a worker that is looked at every two seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.watchdog = Watchdog(PATIENCE, lambda: self.now)
        self.reading = Reading(resident=1 << 30, cpu_seconds=0.0, cpu_percent=0.0, disk=0)
        self.watchdog.look(self.reading)

    def pass_seconds(
        self,
        seconds: float,
        *,
        beats: int | None = None,
        beating: bool = False,
        counted: bool = True,
        silent: bool = False,
        cpu: float = 0.0,
        disk: bool = False,
    ) -> tuple[float, str] | None:
        """When it was to be killed, and why; None: it was left alone. `cpu`: share of a CPU that it takes."""
        begin = self.now
        while self.now < begin + seconds:
            self.now += 2.0
            moved = self.reading.disk + 1 if disk else self.reading.disk
            self.reading = replace(self.reading, cpu_seconds=self.reading.cpu_seconds + 2 * cpu, disk=moved)
            if not silent:
                number = int(self.now) if beating else beats
                self.watchdog.beat(number, counted=counted)
            if (why := self.watchdog.look(self.reading)) is not None:
                return self.now - begin, why
        return None


def test_an_idle_worker_lives() -> None:
    assert Case().pass_seconds(3600) is None


def test_a_worker_without_a_sign_of_life_is_killed_also_an_idle_one() -> None:
    case = Case()
    case.pass_seconds(10)
    killed = case.pass_seconds(100, silent=True)
    assert killed is not None
    assert killed[0] == 30
    assert "no sign of life" in killed[1]


def test_a_long_prefill_lives_as_long_as_its_graph_comes_on() -> None:
    assert Case().pass_seconds(3600, beating=True, cpu=2.0) is None


def test_an_endless_loop_is_killed() -> None:
    killed = Case().pass_seconds(3600, beats=7, cpu=1.0)
    assert killed is not None
    assert 60 <= killed[0] <= 62
    assert "came no further" in killed[1]


def test_work_that_makes_no_beats_has_longer() -> None:
    killed = Case().pass_seconds(3600, beats=7, cpu=1.0, counted=False)
    assert killed is not None
    assert 600 <= killed[0] <= 602


def test_a_deadlock_is_killed_whatever_it_does() -> None:
    killed = Case().pass_seconds(3600, beats=7, counted=False)
    assert killed is not None
    assert 60 <= killed[0] <= 62
    assert "did nothing" in killed[1]


def test_a_worker_that_gets_little_of_the_cpu_has_longer() -> None:
    """A node of a large graph may take a starved worker minutes."""
    killed = Case().pass_seconds(3600, beats=7, cpu=0.1)
    assert killed is not None
    assert 590 <= killed[0] <= 610


def test_waiting_for_a_slow_disk_is_no_hang() -> None:
    case = Case()
    assert case.pass_seconds(3600, beats=7, disk=True) is None
    assert case.pass_seconds(3600, silent=True, disk=True) is None


def test_a_beat_begins_the_count_anew() -> None:
    case = Case()
    for beats in range(10):
        assert case.pass_seconds(50, beats=beats, cpu=1.0) is None


def test_time_in_which_the_machine_was_suspended_does_not_count() -> None:
    case = Case()
    case.pass_seconds(10, beats=7, cpu=1.0)
    case.now += 8 * 3600
    assert case.watchdog.look(case.reading) is None
    assert case.pass_seconds(10, silent=True) is None  # it wakes
    assert case.pass_seconds(30, beats=8, cpu=1.0) is None
