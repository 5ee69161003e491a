"""Ways that are compared on machines that exist on paper."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from jupyter_uml.engine.contest import LEAST_ROUNDS, MOST_ROUNDS, Contest

Machine = Callable[[int, int], float]  # way, sample number → seconds


def held(ways: list[int], machine: Machine, worth: float = 1.05) -> tuple[Contest[int], list[int]]:
    """A contest to its end, and who had a turn when."""
    contest, turns = Contest(ways, worth), list[int]()
    while not contest.over:
        turns.append(contest.way)
        contest.add([machine(contest.way, len(turns))])
    return contest, turns


def noisy(seconds: dict[int, float], scatter: float, seed: int) -> Machine:
    noise = random.Random(seed)
    return lambda way, _: seconds[way] * math.exp(noise.gauss(0, scatter))


def test_the_faster_way_wins_and_its_lead_is_told() -> None:
    contest, _ = held([1, 2, 4], noisy({1: 0.10, 2: 0.06, 4: 0.07}, 0.05, 0))
    assert contest.best() == 2
    assert contest.ratio(2, 1) == pytest.approx(1.67, rel=0.1)
    assert contest.seconds(2) == pytest.approx([0.06], rel=0.1)


def test_equal_ways_leave_the_usual_one_in_place() -> None:
    winners = [held([1, 2, 4], noisy(dict.fromkeys((1, 2, 4), 0.1), 0.1, seed))[0].best() for seed in range(200)]
    assert winners.count(1) >= 190


def test_a_machine_that_slows_down_meanwhile_misleads_nobody() -> None:
    """The second half takes thrice as long, whoever computes."""
    contest, _ = held([1, 2], lambda way, number: {1: 0.10, 2: 0.08}[way] * (3 if number > 15 else 1))
    assert contest.best() == 2
    assert contest.ratio(2, 1) == pytest.approx(1.25, rel=0.02)


def test_a_way_that_is_hit_hard_now_and_then_is_not_preferred() -> None:
    """Many threads on a busy machine: mostly faster, then waiting for one that has no processor."""
    contest, _ = held([1, 2], lambda way, number: 0.1 if way == 1 else 2.0 if number % 7 == 0 else 0.07)
    assert contest.ratio(2, 1) > 1.3
    assert contest.best() == 1


def test_less_than_what_is_worth_a_change_changes_nothing() -> None:
    machine: Machine = lambda way, _: {1: 0.100, 2: 0.094}[way]  # noqa: E731
    assert held([1, 2], machine, worth=1.1)[0].best() == 1
    assert held([1, 2], machine, worth=1.05)[0].best() == 2


def test_all_have_their_turns_in_each_round_and_another_one_begins() -> None:
    _, turns = held([1, 2, 3], lambda *_: 0.1)
    rounds = [turns[begin : begin + 3] for begin in range(0, len(turns), 3)]
    assert len(rounds) == MOST_ROUNDS
    assert all(sorted(turn) == [1, 2, 3] for turn in rounds)
    assert [turn[0] for turn in rounds[:4]] == [1, 2, 3, 1]


def test_hopeless_ways_leave_early_but_the_usual_one_stays() -> None:
    _, turns = held([1, 2, 3, 4], lambda way, _: {1: 0.2, 2: 0.1, 3: 0.15, 4: 9.0}[way])
    assert turns.count(4) == 1
    assert turns.count(3) == 3
    assert turns.count(1) == turns.count(2) == MOST_ROUNDS


def test_a_single_way_is_soon_done() -> None:
    contest, turns = held([2, 2], lambda *_: 0.1)
    assert turns == [2] * LEAST_ROUNDS
    assert contest.best() == 2
    assert contest.ratio(2, 2) == 1.0


def test_few_rounds_prove_nothing() -> None:
    contest = Contest([1, 2], 1.05)
    for _ in range(2 * (LEAST_ROUNDS - 1)):
        contest.add([{1: 0.1, 2: 0.05}[contest.way]])
    assert contest.best() == 1
    assert not contest.tried(1) or contest.seconds(1) == [0.1]


def test_several_figures_count_alike() -> None:
    """Slower alone, but much faster side by side."""
    contest = Contest([1, 2], 1.05)
    while not contest.over:
        contest.add({1: [0.010, 0.100], 2: [0.011, 0.050]}[contest.way])
    assert contest.best() == 2
    assert contest.ratio(2, 1) == pytest.approx(math.sqrt(2 / 1.1))
    assert contest.seconds(2) == [0.011, 0.050]
