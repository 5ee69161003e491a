"""Saved states in RAM: the ones used last, within the limit, none of them needless."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_uml.engine.state_memory import StateMemory
from jupyter_uml.engine.stored_state import StateIndex, StoredState

LIMIT = 100
STATES = st.builds(
    StoredState.of,
    st.sampled_from(["ann", "bob"]),
    st.lists(st.integers(0, 2), min_size=1, max_size=6),
    st.integers(1, LIMIT + 10),
    st.booleans(),
)


def put(memory: StateMemory, state: StoredState) -> None:
    memory.put(state, memoryview(bytes(state.size)))


def best_share(states: list[StoredState], owner: str, tokens: list[int]) -> int:
    """How many of `tokens` the best of the states saves, by trying all of them."""
    shares = [0]
    for state in states:
        for length in range(1, min(state.n_tokens, len(tokens)) + 1):
            whole = length == state.n_tokens
            if (
                state.principal == owner
                and list(state.tokens[:length]) == tokens[:length]
                and (state.cuttable or whole)
            ):
                shares.append(length)
    return max(shares)


def share(index: StateIndex, owner: str, tokens: list[int]) -> int:
    found = index.find(owner, tokens)
    return found[1] if found else 0


@given(st.lists(STATES, max_size=30), st.lists(st.integers(0, 2), max_size=7))
def test_what_is_kept_is_bounded_found_and_of_use(states: list[StoredState], tokens: list[int]) -> None:
    memory = StateMemory(LIMIT)
    for state in states:
        put(memory, state)
        kept = list(memory.index)
        assert memory.used == sum(held.size for held in kept) <= LIMIT
        assert not [one for one in kept for other in kept if other != one and other.replaces(one)]
        if state.size <= LIMIT:
            assert any(held.replaces(state) for held in kept)
    kept = list(memory.index)
    for owner in {state.principal for state in states}:
        assert share(memory.index, owner, tokens) == best_share(kept, owner, tokens)


def test_the_least_recently_used_goes_first() -> None:
    memory = StateMemory(LIMIT)
    one, two, three = (StoredState.of("ann", [token], 40, True) for token in (1, 2, 3))
    put(memory, one)
    put(memory, two)
    assert memory.load(one) is not None
    put(memory, three)
    assert set(memory.index) == {one, three}
    assert memory.load(two) is None


def test_one_that_is_kept_already_counts_as_used() -> None:
    memory = StateMemory(LIMIT)
    long, other, new = (StoredState.of("ann", tokens, 40, True) for tokens in ([1, 2], [3], [4]))
    put(memory, long)
    put(memory, other)
    put(memory, StoredState.of("ann", [1], 20, True))
    put(memory, new)
    assert set(memory.index) == {long, new}


def test_of_two_that_save_the_same_the_smaller_is_found() -> None:
    memory = StateMemory(LIMIT)
    large, small = StoredState.of("ann", [1, 2, 3], 50, True), StoredState.of("ann", [1, 2, 4], 30, True)
    put(memory, large)
    put(memory, small)
    assert memory.index.find(large.principal, [1, 2, 5]) == (small, 2)
