"""What is believed about the time of a batch, on machines that exist on paper."""

from __future__ import annotations

import math
import random

import pytest

from jupyter_uml.engine.step_costs import StepCosts


def test_nothing_is_known_at_first() -> None:
    costs = StepCosts()
    assert costs.seconds(1) is None
    assert costs.prefill_rate() is None


def test_what_was_measured_is_believed_and_what_lies_between_is_interpolated() -> None:
    costs = StepCosts()
    for rows, seconds in ((1, 0.036), (4, 0.082), (16, 0.219)) * 6:
        costs.add(rows, seconds)
    assert costs.seconds(1) == pytest.approx(0.036, rel=0.05)
    assert costs.seconds(4) == pytest.approx(0.082, rel=0.05)
    assert costs.seconds(8) == pytest.approx(math.sqrt(0.082 * 0.219), rel=0.05)


def test_what_was_never_tried_is_guessed_cautiously() -> None:
    costs = StepCosts()
    costs.add(1, 0.010)
    eight = costs.seconds(8)
    assert eight is not None
    assert 0.03 < eight <= 0.08  # more than a flat machine's, not more than eight batches of one


def test_rows_together_never_cost_more_than_one_by_one() -> None:
    costs = StepCosts()
    for rows, seconds in ((1, 0.01), (2, 0.5)) * 6:
        costs.add(rows, seconds)
    assert costs.seconds(2) == pytest.approx(0.02, rel=0.2)


def test_a_noisy_machine_with_hiccups_is_read_well() -> None:
    noise, costs = random.Random(3), StepCosts()
    for _ in range(300):
        for rows, seconds in ((1, 0.036), (8, 0.126)):
            hiccup = 6 if noise.random() < 0.05 else 1
            costs.add(rows, seconds * math.exp(noise.gauss(0, 0.1)) * hiccup)
    assert costs.seconds(1) == pytest.approx(0.036, rel=0.25)
    one, eight = costs.seconds(1), costs.seconds(8)
    assert one is not None
    assert eight is not None
    assert eight / one == pytest.approx(3.5, rel=0.25)


def test_a_slow_first_decode_is_forgotten() -> None:
    costs = StepCosts()
    for seconds in (0.5, 0.03, 0.03, 0.03):
        costs.add(1, seconds)
    assert costs.seconds(1) == pytest.approx(0.03)


def test_a_machine_that_slows_down_does_so_for_every_size() -> None:
    costs = StepCosts()
    for rows, seconds in ((1, 0.036), (8, 0.126)) * 6:
        costs.add(rows, seconds)
    for _ in range(100):
        costs.add(1, 0.072)
    assert costs.seconds(1) == pytest.approx(0.072, rel=0.05)
    assert costs.seconds(8) == pytest.approx(0.252, rel=0.15)


def test_a_size_that_met_a_bad_moment_gets_another_try() -> None:
    costs = StepCosts()
    for rows, seconds in ((1, 0.010), (4, 0.100)) * 6:
        costs.add(rows, seconds)
    bad = costs.seconds(4)
    for _ in range(500):
        costs.add(1, 0.010)
    later = costs.seconds(4)
    assert bad is not None
    assert later is not None
    assert later < 0.8 * bad


def test_the_prompt_rate_follows_large_batches_and_survives_a_hiccup() -> None:
    costs = StepCosts()
    for _ in range(10):
        costs.add_prefill(256, 1.0)
        costs.add_prefill(2, 0.05)
    assert costs.prefill_rate() == pytest.approx(250, rel=0.05)
    costs.add_prefill(256, 60.0)
    rate = costs.prefill_rate()
    assert rate is not None
    assert rate > 150


def test_senseless_samples_are_passed_over() -> None:
    costs = StepCosts()
    costs.add(0, 1.0)
    costs.add(4, 0.0)
    costs.add_prefill(0, 1.0)
    costs.add_prefill(5, -1.0)
    assert costs.seconds(1) is None
    assert costs.prefill_rate() is None
