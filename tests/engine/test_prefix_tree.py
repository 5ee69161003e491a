"""The tree against a plain dictionary of token lists."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_uml.engine.prefix_tree import PrefixTree

# Few different tokens, so that sequences share beginnings; some of more than one byte, alike in a part of them.
TOKENS = st.lists(st.sampled_from([0, 1, 256, 257, 150_000]), max_size=8)
HOLDERS = st.integers(0, 9)


class Plain:
    """What the tree does, the slow way. The sequence put last stands last."""

    def __init__(self) -> None:
        self.held: dict[int, list[int]] = {}

    def put(self, holder: int, tokens: list[int]) -> None:
        self.remove(holder)
        self.held[holder] = tokens

    def remove(self, holder: int) -> None:
        self.held.pop(holder, None)

    def shared(self, tokens: list[int]) -> dict[int, int]:
        lengths = {holder: common(held, tokens) for holder, held in self.held.items()}
        return {holder: length for holder, length in lengths.items() if length}

    def beginnings(self, tokens: list[int]) -> set[int]:
        return {holder for holder, held in self.held.items() if tokens[: len(held)] == held}

    def continuation(self, tokens: list[int], count: int) -> list[int]:
        size = len(tokens)
        longer = [held for held in self.held.values() if held[:size] == tokens and len(held) > size]
        return longer[-1][size : size + count] if longer else []


def common(one: Sequence[int], other: Sequence[int]) -> int:
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return length


@given(st.lists(st.tuples(HOLDERS, st.none() | TOKENS), max_size=40), TOKENS, st.integers(0, 4))
def test_the_tree_does_what_a_dictionary_does(
    changes: list[tuple[int, list[int] | None]], tokens: list[int], count: int
) -> None:
    tree: PrefixTree[int] = PrefixTree()
    plain = Plain()
    for holder, held in changes:
        if held is None:
            tree.remove(holder)
            plain.remove(holder)
        else:
            tree.put(holder, held)
            plain.put(holder, held)
        assert len(tree) == len(plain.held)
        assert set(tree) == set(plain.held)
    assert tree.shared(tokens) == plain.shared(tokens)
    assert set(tree.beginnings(tokens)) == plain.beginnings(tokens)
    assert tree.continuation(tokens, count) == plain.continuation(tokens, count)


@given(st.lists(st.tuples(HOLDERS, TOKENS), max_size=40))
def test_the_longest_come_first(puts: list[tuple[int, list[int]]]) -> None:
    tree: PrefixTree[int] = PrefixTree()
    for holder, held in puts:
        tree.put(holder, held)
    lengths = [length for _, length in tree.ranked([0, 1, 256, 257])]
    assert lengths == sorted(lengths, reverse=True)


@settings(max_examples=30)
@given(st.lists(st.tuples(HOLDERS, TOKENS), max_size=40))
def test_nothing_is_left_of_what_was_removed(puts: list[tuple[int, list[int]]]) -> None:
    tree: PrefixTree[int] = PrefixTree()
    for holder, held in puts:
        tree.put(holder, held)
        assert sum(1 for _ in tree._root.below()) <= 2 * len(tree) + 1  # compact: nodes end or fork
    for holder in list(tree):
        tree.remove(holder)
    assert [node.children for node in tree._root.below()] == [{}]


def test_a_holder_holds_one_sequence() -> None:
    tree: PrefixTree[str] = PrefixTree()
    tree.put("a", [1, 2, 3])
    tree.put("a", [1, 2, 4])
    assert tree.shared([1, 2, 3]) == {"a": 2}
    tree.remove("a")
    tree.remove("a")
    assert tree.shared([1, 2, 4]) == {}
    assert len(tree) == 0


def test_a_continuation_is_the_one_put_last() -> None:
    tree: PrefixTree[str] = PrefixTree()
    tree.put("a", [1, 2, 3, 4, 5])
    tree.put("b", [1, 2, 7, 8])
    tree.put("c", [1, 2])  # has nothing to say about what follows
    assert tree.continuation([1, 2], 10) == [7, 8]
    assert tree.continuation([1, 2, 3], 1) == [4]
    tree.put("a", [1, 2, 3, 4, 5])
    assert tree.continuation([1], 3) == [2, 3, 4]
    assert tree.continuation([1, 2, 3, 4, 5], 3) == []
    assert tree.continuation([2], 3) == []


def test_long_sequences_of_many_holders_take_less_than_a_step() -> None:
    tree: PrefixTree[int] = PrefixTree()
    tokens = [(i * 7919) % 150_000 for i in range(8000)]
    for holder in range(200):
        tree.put(holder, tokens[: 40 * (holder + 1)])
    assert fastest(lambda: tree.shared(tokens)) < 0.005  # measured: 0.0004, on a machine that has nothing else to do
    assert fastest(lambda: tree.put(200, [*tokens, 1])) < 0.005


def fastest(call: Callable[[], object]) -> float:
    """Seconds of the best of ten calls."""
    times = []
    for _ in range(10):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)
