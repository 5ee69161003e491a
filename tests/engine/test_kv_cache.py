"""Which slot a request gets, and how much of its prompt is there already."""

from __future__ import annotations

from jupyter_uml.engine.kv_cache import KvCache


def test_the_prefix_of_the_last_answer_is_found() -> None:
    cache = KvCache(2)
    slot, held = cache.acquire([1, 2, 3], "ann") or (None, None)
    assert (slot, held) == (0, 0)
    cache.release(0, [1, 2, 3, 4, 5])
    assert cache.acquire([1, 2, 3, 4, 5, 6, 7], "ann") == (0, 5)


def test_the_last_prompt_token_is_always_computed() -> None:
    cache = KvCache(1)
    cache.acquire([1, 2, 3], "ann")
    cache.release(0, [1, 2, 3])
    assert cache.acquire([1, 2, 3], "ann") == (0, 2)


def test_nobody_finds_another_ones_prompt() -> None:
    cache = KvCache(1)
    cache.acquire([1, 2, 3], "ann")
    cache.release(0, [1, 2, 3])
    assert cache.acquire([1, 2, 3, 4], "bob") == (0, 0)
    cache.release(0, [1, 2, 3, 4])
    assert cache.acquire([1, 2, 3, 4], "ann") == (0, 0)


def test_busy_slots_are_not_given_away() -> None:
    cache = KvCache(2)
    assert cache.acquire([1], "a") is not None
    assert cache.acquire([1], "a") is not None
    assert cache.acquire([1], "a") is None
    cache.release(1, [])
    assert cache.acquire([1], "a") == (1, 0)


def test_an_empty_slot_is_taken_before_one_that_remembers() -> None:
    cache = KvCache(2)
    cache.acquire([1, 2, 3], "ann")
    cache.release(0, [1, 2, 3])
    assert cache.acquire([9, 9], "ann") == (1, 0)
    cache.release(1, [9, 9])
    assert cache.acquire([7, 7], "ann") == (0, 0), "the one that was used longest ago"
