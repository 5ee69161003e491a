"""A sliding window lets through what it may, and says exactly when there is room again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uml.access.window import SLOTS, Window

# Seconds between two requests, and what each weighs: bursts, pauses, and steps about as long as a slot.
REQUESTS = st.lists(
    st.tuples(st.one_of(st.just(0.0), st.floats(0, 0.2), st.floats(0, 70)), st.integers(1, 12)), max_size=60
)


@given(REQUESTS, st.integers(12, 40), st.sampled_from([1.0, 60.0]), st.floats(0, 10**7))
def test_never_more_than_the_limit_in_any_time_and_never_blocked_for_longer_than_it(
    requests: list[tuple[float, int]], limit: int, seconds: float, now: float
) -> None:
    window = Window(limit, seconds)
    let_in: list[tuple[float, int]] = []
    for pause, weight in requests:
        now += pause
        wait = window.wait(now, weight)
        if wait > 0:
            assert now + wait <= let_in[-1][0] + seconds + 1e-6, "longer than the window after the last that was let in"
            assert Window.wait(window, now, 1) <= wait
            continue
        window.add(now, weight)
        let_in.append((now, weight))
        assert sum(w for time, w in let_in if time > now - seconds) <= window.used(now) <= limit


@given(REQUESTS, st.integers(12, 40))
def test_after_the_wait_there_is_room_and_not_before(requests: list[tuple[float, int]], limit: int) -> None:
    window, now = Window(limit, 60.0), 0.0
    for pause, weight in requests:
        now += pause
        if (wait := window.wait(now, weight)) > 1e-3:
            assert window.wait(now + wait - 1e-4, weight) > 0
            now += wait + 1e-9
        assert window.wait(now, weight) == 0
        window.add(now, weight)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.data())
def test_what_is_given_back_is_free_and_no_more(weights: list[int], data: st.DataObject) -> None:
    window = Window(1000, 60.0)
    for n, weight in enumerate(weights):
        window.add(n * 0.5, weight)
    n = data.draw(st.integers(0, len(weights) - 1))
    back = data.draw(st.integers(0, weights[n]))
    window.give_back(n * 0.5, n * 0.5, back)
    assert window.used(len(weights) * 0.5) == sum(weights) - back


def test_what_has_left_the_window_gives_nothing_back() -> None:
    window = Window(10, 60.0)
    window.add(0.0, 10)
    window.add(61.0, 4)
    window.give_back(0.0, 0.0, 10)
    assert window.used(61.0) == 4


def test_news_that_come_late_leave_in_their_order() -> None:
    window = Window(10, 60.0)
    for time in (30.0, 10.0, 50.0, 20.0):
        window.add(time, 1)
    assert [window.used(now) for now in (69.9, 70.0, 80.0, 90.0, 110.0)] == [4, 3, 2, 1, 0]


def test_it_is_small_however_many_come() -> None:
    window = Window(10**9, 60.0)
    for n in range(20_000):
        window.add(n * 0.01, 1)
    assert len(window._slots) <= SLOTS + 1
    assert window.used(199.99) == pytest.approx(6000, rel=2 / SLOTS)


def test_what_came_close_together_counts_as_if_all_had_come_last() -> None:
    window = Window(10, 60.0)
    window.add(0.0, 1)
    window.add(0.05, 1)
    assert [window.used(now) for now in (60.04, 60.05)] == [2, 0]
