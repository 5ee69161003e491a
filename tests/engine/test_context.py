"""What the context does around llama.cpp's own calls."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from jupyter_uml.engine.context import Context, Logits, Row
from jupyter_uml.engine.model import Model
from tests.engine.engines import spec, story


@pytest.fixture
def context() -> Iterator[Context]:
    model = Model(spec(n_parallel=6, n_ctx=256))
    context = Context(model, model.settings(model.spec.settings))
    yield context
    context.close()
    model.close()


def logits(context: Context, rows: list[Row], idle: tuple[int, ...] = ()) -> list[Logits]:
    found = context.decode(rows, idle=idle)
    assert found is not None
    return [row.copy() for row in found]


def test_idle_slots_between_busy_ones_fill_holes_and_keep_what_they_hold(context: Context) -> None:
    for slot in range(6):
        logits(context, [Row(slot, 0, story(40 + slot, seed=slot), 1)])
    busy = [Row(slot, 40 + slot, [7], 1) for slot in (0, 2, 5)]
    without = logits(context, busy)
    for row in busy:
        context.keep(row.slot, row.start)
    filled = logits(context, busy, idle=(1, 3, 4))
    np.testing.assert_allclose(filled, without, atol=0.05)
    assert [context.computed(slot) for slot in range(6)] == [41, 41, 43, 43, 44, 46]


def test_a_full_slot_fills_no_hole(context: Context) -> None:
    logits(context, [Row(1, 0, story(256), 1)])
    logits(context, [Row(0, 0, [5], 1), Row(2, 0, [6], 1)], idle=(1,))
    assert context.computed(1) == 256


def test_a_full_batch_has_no_room_for_fillers(context: Context) -> None:
    half = context.batch_tokens // 2
    rows = [Row(0, 0, story(half), 0), Row(2, 0, story(context.batch_tokens - half), 1)]
    assert len(logits(context, rows, idle=(1,))) == 1
    assert context.computed(1) == 0


def test_a_copy_is_the_same_to_the_last_bit_and_a_saved_state_too(context: Context) -> None:
    logits(context, [Row(0, 0, story(100), 1)])
    state = context.save(0)
    assert state is not None
    context.copy(0, 3)
    context.keep(3, 90)
    expected = logits(context, [Row(0, 100, [9], 1)])[0]
    assert context.load(4, state)
    again = logits(context, [Row(4, 100, [9], 1)])[0]
    assert (again == expected).all()
    assert context.computed(3) == 90
    part = logits(context, [Row(3, 90, story(100)[90:], 1)])[0]
    whole = logits(context, [Row(5, 0, story(100), 1)])[0]
    np.testing.assert_allclose(part, whole, atol=0.05)


def test_what_is_no_state_is_not_taken_and_leaves_the_slot_empty(context: Context) -> None:
    logits(context, [Row(0, 0, story(100), 1)])
    assert not context.load(0, bytes(1000))
    assert context.computed(0) == 0
    assert logits(context, [Row(0, 0, story(10), 1)])


def test_a_shift_of_cells_is_not_cut_short(context: Context) -> None:
    """It is done with the next decode; ended in its middle, it would be done twice."""
    logits(context, [Row(0, 0, story(200), 1)])
    assert context.shift(0, 40, 60)
    context.stop("somebody")
    assert context.decode([Row(0, 140, [7], 1)], interruptible={"somebody"}) is not None
    assert context.decode([Row(0, 141, [7], 1)], interruptible={"somebody"}) is None
