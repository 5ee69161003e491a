"""Kept answers: each principal's own, bounded in bytes, number and age."""

from __future__ import annotations

import pytest

from jupyter_uml.errors import ResponseNotFound
from jupyter_uml.protocol.responses.store import ResponseStore, StoredResponse


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def stored(size: int = 0) -> StoredResponse:
    return StoredResponse(b"x" * size, b"[]", 0)


def kept(store: ResponseStore, principal: str, ids: str) -> str:
    """Those of `ids` that are there; looking does not count as use."""
    there = ""
    for id_ in ids:
        try:
            store.delete(principal, id_)
        except ResponseNotFound:
            continue
        there += id_
    return there


def test_nobody_reads_or_deletes_another_principals_answer() -> None:
    store = ResponseStore()
    store.put("ann", "resp_1", stored(7))
    for act in (store.get, store.delete):
        with pytest.raises(ResponseNotFound):
            act("bob", "resp_1")
    assert store.get("ann", "resp_1").body == b"x" * 7


def test_what_is_deleted_is_gone_and_takes_no_room() -> None:
    store = ResponseStore()
    store.put("ann", "resp_1", stored(100))
    store.delete("ann", "resp_1")
    assert store.size == 0
    with pytest.raises(ResponseNotFound, match="resp_1"):
        store.get("ann", "resp_1")


def test_the_longest_unused_makes_room() -> None:
    store = ResponseStore(max_count=3)
    for id_ in "abc":
        store.put("ann", id_, stored())
    store.get("ann", "a")
    store.put("ann", "d", stored())
    assert kept(store, "ann", "abcd") == "acd"


def test_bytes_are_bounded_and_whoever_has_most_loses() -> None:
    store = ResponseStore(max_bytes=10_000)
    store.put("ann", "a", stored(1000))
    for id_ in "bcdefghijklm":
        store.put("bob", id_, stored(2000))
        assert store.size <= 10_000
    assert kept(store, "ann", "a") == "a"
    assert kept(store, "bob", "bcdefghijklm") == "klm"


def test_an_answer_larger_than_all_the_room_is_not_kept_and_nothing_breaks() -> None:
    store = ResponseStore(max_bytes=1000)
    store.put("ann", "a", stored(2000))
    assert store.size == 0
    store.put("ann", "b", stored(100))
    assert kept(store, "ann", "ab") == "b"


def test_what_nobody_asks_for_is_forgotten() -> None:
    clock = Clock()
    store = ResponseStore(max_age=60, clock=clock)
    store.put("ann", "a", stored())
    store.put("ann", "b", stored())
    clock.now = 50
    store.get("ann", "a")
    clock.now = 100
    store.put("bob", "c", stored())
    assert kept(store, "ann", "ab") == "a"
    clock.now = 200
    assert kept(store, "bob", "c") == ""
    assert store.size == 0
