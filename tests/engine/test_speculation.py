"""Speculation on machines that exist on paper: what it wins, what it may lose, and how it adapts."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from jupyter_uml.engine.speculation import Acceptance, Speculator
from jupyter_uml.engine.step_costs import StepCosts

VOCABULARY = 32_000
Cost = Callable[[int], float]


def processor(rows: int) -> float:
    """Seconds measured on two cores with a model of half a billion parameters; straight lines between."""
    sizes, seconds = (1, 2, 4, 8, 16, 64), (0.036, 0.058, 0.082, 0.126, 0.219, 0.8)
    right = max(1, bisect_left(sizes, rows))
    part = (rows - sizes[right - 1]) / (sizes[right] - sizes[right - 1])
    return seconds[right - 1] + part * (seconds[right] - seconds[right - 1])


def accelerator(rows: int) -> float:
    """Bound by memory: more rows are nearly free."""
    return 0.02 * (1 + 0.01 * rows)


def no_gain(rows: int) -> float:
    """Twice the rows, twice the time."""
    return 0.02 * rows


@dataclass
class Run:
    """A simulated answer. `time`: as a share of what it takes without speculation."""

    time: float = 0.0
    proposals: list[tuple[int, int]] = field(default_factory=list)  # proposed, accepted


def simulate(
    prompt: list[int],
    answer: list[int],
    cost: Cost,
    *,
    costs: StepCosts | None = None,
    common: Acceptance | None = None,
    earlier: list[int] | None = None,
    others: int = 0,
    noise: random.Random | None = None,
) -> Run:
    costs = costs or StepCosts()
    speculator, run, at = Speculator(prompt, earlier or (), common), Run(), 0
    while at < len(answer):
        guesses = speculator.propose(len(answer) - at - 1, costs, others)
        right = next((i for i, g in enumerate(guesses) if g != answer[at + i]), len(guesses))
        seconds = cost(1 + others + len(guesses))
        hiccup = 1.0 if noise is None else noise.lognormvariate(0, 0.1) * (6 if noise.random() < 0.02 else 1)
        costs.add(1 + others + len(guesses), seconds * hiccup)
        speculator.extend(answer[at : at + right + 1])
        speculator.judge(len(guesses), right)
        run.time += seconds / (cost(1 + others) * len(answer))
        run.proposals.append((len(guesses), right))
        at += right + 1
    return run


def random_text(rng: random.Random, length: int, words: int = VOCABULARY) -> list[int]:
    return [rng.randrange(words) for _ in range(length)]


def edited(rng: random.Random, prompt: list[int], share: float = 0.8, run: int = 40) -> list[int]:
    """An answer of which `share` is copied from the prompt, in pieces of about `run` tokens."""
    answer: list[int] = []
    at = 0
    while at < len(prompt):
        piece = prompt[at : at + 1 + int(rng.expovariate(1 / run))]
        answer += piece + random_text(rng, round(len(piece) * (1 - share) / share))
        at += len(piece)
    return answer


@pytest.mark.parametrize("seed", range(4))
def test_an_edit_that_repeats_most_of_its_prompt(seed: int) -> None:
    rng = random.Random(seed)
    prompt = random_text(rng, 1500)
    answer = edited(rng, prompt)
    assert simulate(prompt, answer, processor).time <= 1 / 1.5
    assert simulate(prompt, answer, accelerator).time <= 1 / 3


@pytest.mark.parametrize("seed", range(4))
def test_a_noisy_machine_changes_little(seed: int) -> None:
    rng = random.Random(seed)
    prompt = random_text(rng, 1500)
    answer = edited(rng, prompt)
    costs, common = StepCosts(), Acceptance()
    simulate(prompt, answer, processor, costs=costs, common=common, noise=rng)
    assert simulate(prompt, answer, processor, costs=costs, common=common, noise=rng).time <= 1 / 1.5


@pytest.mark.parametrize("cost", [processor, accelerator, no_gain])
@pytest.mark.parametrize("words", [VOCABULARY, 300, 20])
def test_a_text_without_repetition_loses_next_to_nothing(cost: Cost, words: int) -> None:
    rng = random.Random(words)
    prompt = random_text(rng, 1000, words)
    costs, common = StepCosts(), Acceptance()
    times = [simulate(prompt, random_text(rng, 100, words), cost, costs=costs, common=common).time for _ in range(5)]
    assert sum(times) / len(times) <= 1.02


def test_a_machine_on_which_it_cannot_pay_is_left_alone() -> None:
    rng = random.Random(1)
    prompt = random_text(rng, 1000)
    assert simulate(prompt, prompt, no_gain).time <= 1.02


def test_the_loss_is_bounded_when_a_promise_is_broken_again_and_again() -> None:
    """Long copies that break off where they have just become believable."""
    rng = random.Random(2)
    prompt, answer = random_text(rng, 2000), []
    for start in range(0, 1500, 10):
        answer += [*prompt[start : start + 5], rng.randrange(VOCABULARY)]
    assert simulate(prompt, answer, processor).time <= 1.02


def test_a_loop_is_guessed_after_a_few_rounds() -> None:
    run = simulate([1, 2, 3], [7, 8, 9, 10] * 100, accelerator)
    assert run.time < 0.15


def test_proposals_grow_with_success_and_end_with_failure() -> None:
    rng = random.Random(4)
    prompt = random_text(rng, 600)
    run = simulate(prompt, [*prompt[:400], *random_text(rng, 200)], processor)
    proposed = [count for count, _ in run.proposals]
    first = next(count for count in proposed if count)
    assert first <= 4
    assert max(proposed) >= 12
    assert not any(proposed[-190:])


def test_an_earlier_answer_is_followed_from_the_first_token_and_after_a_difference() -> None:
    rng = random.Random(5)
    prompt, before = random_text(rng, 200), random_text(rng, 400)
    answer = [*before[:200], 5, 6, 7, *before[203:]]
    run = simulate(prompt, answer, accelerator, earlier=before)
    assert run.proposals[1][1] > 0
    assert run.time < 0.2
    assert simulate(prompt, answer, accelerator).time == pytest.approx(1.0)


def test_the_time_of_other_sequences_counts_too() -> None:
    rng = random.Random(6)
    prompt = random_text(rng, 800)
    beside = simulate(prompt, prompt, processor, others=7)
    tokens = len(prompt) + 7 * len(beside.proposals)
    without = 8 * len(prompt) * beside.time  # tokens of all eight in the same time
    assert tokens >= 1.1 * without


def test_nothing_is_proposed_without_costs_or_room() -> None:
    speculator = Speculator([1, 2, 3, 4] * 10)
    assert speculator.propose(8, StepCosts(), 0) == []
    costs = StepCosts()
    costs.add(1, 0.01)
    assert speculator.propose(0, costs, 0) == []
    assert speculator.propose(1, costs, 0) in ([], [1])


def test_experience_is_shared() -> None:
    common = Acceptance()
    for _ in range(200):
        common.add(False, 3, False)
        common.add(False, 20, True)
    fresh = Acceptance(common, memory=0.95)
    assert fresh.rate(False, 3) < 0.05
    assert fresh.rate(False, 20) > 0.95
    assert fresh.rate(True, 3) == Acceptance().rate(True, 3)
