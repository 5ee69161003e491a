"""Which slot a request gets, and how much of its prompt is there already: on cells that are plain lists."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest

from jupyter_uml.engine.kv_cache import KvCache, Place, State, Wait
from jupyter_uml.engine.state_store import StateStore


class Cells:
    """A `Memory` that holds the very tokens. Copies take effect with the next decode, as in llama.cpp."""

    def __init__(self, n_slots: int, *, cuttable: bool = True) -> None:
        self.cuttable = self.states_cuttable = cuttable
        self.slots: list[list[int]] = [[] for _ in range(n_slots)]
        self.moving: set[int] = set()
        self.copies = self.loads = 0

    def keep(self, slot: int, count: int) -> int:
        if count < len(self.slots[slot]) and not self.cuttable:
            count = 0
        del self.slots[slot][count:]
        return count

    def copy(self, source: int, target: int) -> None:
        self.slots[target] = list(self.slots[source])
        self.moving |= {source, target}
        self.copies += 1

    def save(self, slot: int) -> State:
        assert slot not in self.moving
        return np.array(self.slots[slot], np.int64).view(np.uint8)

    def load(self, slot: int, state: State | memoryview | bytes) -> bool:
        assert slot not in self.moving
        self.slots[slot] = np.frombuffer(state, np.int64).tolist()
        self.loads += 1
        return True

    def decode(self, owner: Owner, upto: int | None = None) -> None:
        """Compute an owner's tokens, as the engine would."""
        self.moving.clear()
        upto = len(owner.tokens) if upto is None else upto
        self.slots[owner.slot] += owner.tokens[owner.computed : upto]
        owner.computed = upto


@dataclass(eq=False)
class Owner:
    tokens: list[int]
    principal: str = "ann"
    slot: int = -1
    computed: int = 0
    held: int = 0


@dataclass
class Rig:
    """A cache over plain cells, and the owners in it."""

    n_slots: int = 2
    cuttable: bool = True
    ram: int = 0
    cells: Cells = field(init=False)
    cache: KvCache = field(init=False)

    def __post_init__(self) -> None:
        self.cells = Cells(self.n_slots, cuttable=self.cuttable)
        self.cache = KvCache(self.n_slots, self.cells, StateStore(self.ram, None, 0))

    def enter(self, tokens: list[int], principal: str = "ann") -> Owner | None:
        owner = Owner(tokens, principal)
        place = self.cache.acquire(owner, tokens, principal)
        if not isinstance(place, Place):
            return None
        owner.slot, owner.computed, owner.held = place.slot, place.held, place.held
        assert self.cells.slots[place.slot] == tokens[: place.held]
        return owner

    def leave(self, owner: Owner) -> None:
        self.cache.release(owner.slot, owner.tokens[: owner.computed])

    def asked(self, tokens: list[int], principal: str = "ann") -> int:
        """A request from its beginning to its end; how many of its tokens were found."""
        owner = self.enter(tokens, principal)
        assert owner is not None
        self.cells.decode(owner)
        self.leave(owner)
        return owner.held


def words(start: int, count: int) -> list[int]:
    return list(range(start, start + count))


def test_the_prefix_of_an_earlier_answer_is_found_in_place() -> None:
    rig = Rig()
    assert rig.asked(words(0, 50)) == 0
    assert rig.asked(words(0, 60)) == 50
    assert rig.cells.copies == 0


def test_the_last_prompt_token_is_always_computed() -> None:
    rig = Rig()
    rig.asked(words(0, 50))
    assert rig.asked(words(0, 50)) == 49


def test_nobody_finds_another_ones_prompt() -> None:
    rig = Rig(ram=1 << 20)
    rig.asked(words(0, 500))
    assert rig.asked(words(0, 500), "bob") == 0
    for start in (1000, 2000, 3000):  # what ann had is only in the store now
        rig.asked(words(start, 500), "bob")
    assert rig.asked(words(0, 500), "carl") == 0
    assert rig.asked(words(0, 500), "ann") == 499


def test_busy_slots_are_not_given_away() -> None:
    rig = Rig()
    first, second = rig.enter([1]), rig.enter([2])
    assert first is not None
    assert second is not None
    assert rig.enter([3]) is None
    rig.leave(first)
    third = rig.enter([3])
    assert third is not None
    assert third.slot == first.slot


def test_an_empty_slot_is_taken_before_one_that_remembers_then_the_one_used_longest_ago() -> None:
    rig = Rig()
    rig.asked(words(0, 100))
    rig.asked(words(200, 100))
    assert rig.asked(words(0, 100)) == 99
    rig.asked(words(400, 100))
    assert rig.asked(words(0, 100)) == 99
    assert rig.asked(words(200, 100)) == 0


def test_a_running_sequence_is_copied_and_one_about_to_compute_is_waited_for() -> None:
    rig = Rig(n_slots=3)
    leader = rig.enter(words(0, 200))
    assert leader is not None
    follower = Owner([*words(0, 150), 7, 8, 9])
    assert rig.cache.acquire(follower, follower.tokens, "ann") == Wait(leader)
    assert rig.cache.acquire(follower, follower.tokens, "bob") == Place(1, 0), "bob cannot tell that ann computes it"
    rig.cells.decode(leader, 160)
    copy = rig.enter(follower.tokens)
    assert copy is not None
    assert (copy.held, rig.cells.copies) == (150, 1)


def test_where_a_little_is_shared_nobody_waits() -> None:
    rig = Rig()
    leader = rig.enter(words(0, 200))
    assert leader is not None
    assert rig.enter([*words(0, 20), 7, 8, 9]) is not None


def test_slots_at_work_are_neighbours() -> None:
    rig = Rig(n_slots=8)
    rig.asked(words(0, 100))
    far = [rig.enter(words(1000 * i, 100)) for i in range(1, 8)]
    for owner in far[:-1]:
        assert owner is not None
        rig.leave(owner)
    last = far[-1]
    assert last is not None
    again = rig.enter(words(0, 110))
    assert again is not None
    assert abs(again.slot - last.slot) == 1
    assert again.held == 100


def test_what_a_slot_loses_is_found_in_the_store() -> None:
    rig = Rig(n_slots=1, ram=1 << 20)
    rig.asked(words(0, 300))
    rig.asked(words(1000, 300))
    assert rig.asked(words(0, 300)) == 299
    assert rig.cells.loads == 1


def test_a_state_that_cannot_be_cut_is_used_whole_or_not_at_all() -> None:
    rig = Rig(n_slots=1, cuttable=False, ram=1 << 20)
    owner = rig.enter(words(0, 200))
    assert owner is not None
    rig.cells.decode(owner, 199)
    rig.cache.checkpoint(owner.slot, "ann", owner.tokens[:199])
    owner.tokens += words(5000, 50)  # the answer
    rig.cells.decode(owner)
    rig.leave(owner)
    assert rig.asked([*words(0, 200), *words(5000, 50), 1]) == 250, "the next turn goes on from the whole"
    assert rig.asked(words(0, 200)) == 199, "the cell that is run again from the checkpoint"
    assert rig.asked([*words(0, 100), 1, 2, 3]) == 0


def test_a_few_common_tokens_neither_cut_a_long_memory_nor_copy_it() -> None:
    rig = Rig(n_slots=8)
    rig.asked(words(0, 1500))
    others = [rig.enter([0, 1, *words(5000 + 100 * i, 50)]) for i in range(7)]
    assert None not in others
    assert rig.cells.copies == 0
    assert rig.asked(words(0, 1500)) == 1499


def test_a_memory_that_must_be_cut_is_saved_first() -> None:
    rig = Rig(n_slots=1, ram=1 << 20)
    rig.asked(words(0, 500))
    assert rig.asked([*words(0, 100), 1, 2]) == 100
    assert rig.asked(words(0, 500)) == 499


def test_what_a_quiet_moment_did_not_save_is_saved_when_its_slot_is_taken() -> None:
    rig = Rig(n_slots=1, ram=1 << 20)
    rig.asked(words(0, 300))
    assert not rig.cache.rest()
    rig.asked(words(1000, 300))
    assert rig.asked(words(0, 300)) == 299


def test_what_follows_the_cells_that_moved_is_nobodys_prefix() -> None:
    rig = Rig()
    owner = rig.enter(words(0, 300))
    assert owner is not None
    rig.cells.decode(owner)
    rig.cache.forget_after(owner.slot, 60)
    del rig.cells.slots[owner.slot][60:160]
    other = rig.enter(words(0, 300))
    assert other is not None
    assert other.held == 60


def test_who_asks_the_same_again_is_told_how_the_answer_went_on() -> None:
    rig = Rig(n_slots=2)
    owner = rig.enter(words(0, 100))
    assert owner is not None
    owner.tokens += words(7000, 30)
    rig.cells.decode(owner)
    rig.leave(owner)
    place = rig.cache.acquire(Owner(words(0, 100)), words(0, 100), "ann")
    assert isinstance(place, Place)
    assert place.earlier == words(7000, 30)
    place = rig.cache.acquire(Owner(words(0, 100)), words(0, 100), "bob")
    assert isinstance(place, Place)
    assert place.earlier == []


def test_deterministic_requests_take_over_whole_chunks_only() -> None:
    rig = Rig()
    rig.asked(words(0, 300))
    place = rig.cache.acquire(Owner(words(0, 300)), words(0, 300), "ann", unit=128)
    assert isinstance(place, Place)
    assert place.held == 256


@pytest.mark.parametrize("cuttable", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_ten_thousand_random_operations_lose_nothing(seed: int, cuttable: bool) -> None:
    """What is held is always what was asked for, whoever comes, waits, is cut short, or leaves."""
    random.seed(seed)
    rig = Rig(n_slots=4, cuttable=cuttable, ram=200_000)
    running: list[Owner] = []
    texts = {name: [random.choices(range(9), k=300) for _ in range(3)] for name in ("ann", "bob")}
    for _ in range(2500):
        name = random.choice(("ann", "bob"))
        text = random.choice(texts[name])
        tokens = text[: random.randrange(1, 300)] + random.choices(range(9), k=random.randrange(1, 40))
        place = rig.cache.acquire(owner := Owner(tokens, name), tokens, name)
        if isinstance(place, Place):
            owner.slot, owner.computed = place.slot, place.held
            assert rig.cells.slots[owner.slot] == tokens[: place.held]
            assert place.held < len(tokens)
            running.append(owner)
        elif isinstance(place, Wait):
            assert place.leader in running
        if running and random.random() < 0.8:
            chosen = random.choice(running)
            rig.cells.decode(chosen, random.randint(chosen.computed, len(chosen.tokens)))
        if running and (place is None or random.random() < 0.4):
            rig.leave(running.pop(random.randrange(len(running))))
        assert rig.cache.free == 4 - len(running)
        assert len({owner.slot for owner in running}) == len(running)
        for owner in running:
            assert rig.cells.slots[owner.slot] == owner.tokens[: owner.computed]
