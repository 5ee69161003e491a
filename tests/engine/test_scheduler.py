"""The scheduler, by comparing lists."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from jupyter_uml.engine.scheduler import Scheduler


@dataclass
class Fake:
    name: str
    pending: int
    decoding: bool = False
    rank: int = 0
    waited: float = 0.0
    deterministic: bool = False
    most: int = 10**9
    begun: bool = False
    least: int = 1

    @property
    def uncut(self) -> int:
        return min(self.pending, self.most)


Planned = list[list[tuple[str, int, bool]]]


def plan(scheduler: Scheduler[Fake], running: list[Fake], rate: float | None = 50.0) -> Planned:
    batches = scheduler.plan(running, rate)
    return [[(piece.sequence.name, piece.n_tokens, piece.last) for piece in batch] for batch in batches]


def first(running: list[Fake], rate: float | None = 50.0) -> Planned:
    return plan(Scheduler(512), running, rate)


def answer(name: str, pending: int = 1, *, deterministic: bool = False) -> Fake:
    return Fake(name, pending, decoding=True, deterministic=deterministic)


def test_nothing_to_do() -> None:
    assert first([]) == []


def test_a_prompt_alone_takes_what_can_be_computed_in_two_seconds() -> None:
    assert first([Fake("a", 250)]) == [[("a", 100, False)]]
    assert first([Fake("a", 250)], rate=500.0) == [[("a", 250, True)]]
    assert first([Fake("a", 2500)], rate=500.0) == [[("a", 512, False)]]


def test_what_must_be_computed_together_is_whatever_the_time() -> None:
    assert first([Fake("a", 250, least=200)]) == [[("a", 200, False)]]
    assert first([answer("b"), Fake("a", 250, least=200)])[0] == [("a", 200, False)]


def test_until_the_rate_is_known_chunks_are_small() -> None:
    assert first([Fake("a", 2500)], rate=None) == [[("a", 128, False)]]


def test_answers_and_prompts_take_turns_and_answers_share_a_batch() -> None:
    scheduler, running = Scheduler[Fake](512), [Fake("long", 4000), answer("b"), answer("c")]
    turns = [plan(scheduler, running, rate=400.0) for _ in range(3)]
    assert turns == [[[("long", 192, False)]], [[("b", 1, True), ("c", 1, True)]], [[("long", 192, False)]]]


def test_a_prompt_that_takes_less_than_two_seconds_is_not_cut_while_answers_wait() -> None:
    assert first([Fake("short", 90), answer("b")]) == [[("short", 90, True)]]


def test_the_end_of_a_long_prompt_is_cut_like_its_beginning() -> None:
    assert first([Fake("long", 200, begun=True), answer("b")], rate=200.0) == [[("long", 96, False)]]


def test_the_shortest_prompt_comes_first_unless_a_longer_one_has_waited() -> None:
    assert first([Fake("long", 90), Fake("short", 50)]) == [[("short", 50, True)]]
    assert first([Fake("long", 90, waited=1.0), Fake("short", 50)]) == [[("long", 90, True)]]


def test_batch_prompts_wait_for_interactive_ones_however_long_they_have_waited() -> None:
    assert first([Fake("batch", 20, rank=1, waited=60.0), Fake("person", 100)]) == [[("person", 100, True)]]


def test_short_prompts_share_a_batch_as_far_as_they_fit_whole() -> None:
    running = [Fake("a", 30), Fake("b", 31), Fake("c", 32), Fake("d", 33)]
    assert first(running) == [[("a", 30, True), ("b", 31, True), ("c", 32, True)]]


def test_a_prompt_stops_where_its_state_is_to_be_saved() -> None:
    assert first([Fake("a", 90, most=89)]) == [[("a", 89, False)]]


def test_deterministic_sequences_are_alone_and_their_chunks_do_not_depend_on_the_machine() -> None:
    for rate in (10.0, 100.0, None):
        assert first([Fake("a", 1500, deterministic=True)], rate) == [[("a", 512, False)]]
    running = [answer("b"), answer("a", deterministic=True), answer("c")]
    assert first(running) == [[("b", 1, True), ("c", 1, True)], [("a", 1, True)]]


def test_tokens_ahead_of_an_answer_are_decoded_with_it() -> None:
    assert first([answer("a", pending=4), answer("b")]) == [[("a", 4, True), ("b", 1, True)]]


fakes = st.builds(
    Fake,
    name=st.just("x"),
    pending=st.integers(1, 3000),
    decoding=st.just(False),
    rank=st.integers(0, 1),
    waited=st.floats(0, 100),
    deterministic=st.booleans(),
)
answers = st.builds(Fake, name=st.just("x"), pending=st.integers(1, 17), decoding=st.just(True))


@given(st.lists(fakes | answers, max_size=20), st.none() | st.floats(1, 1e5), st.integers(32, 512))
def test_whatever_runs_it_gets_on(running: list[Fake], rate: float | None, max_tokens: int) -> None:
    """No batch is too large, nothing is planned twice, and both answers and prompts progress within two steps."""
    scheduler, moved = Scheduler[Fake](max_tokens), set[int]()
    for _ in range(2):
        batches = scheduler.plan(running, rate)
        planned = [piece for batch in batches for piece in batch]
        assert len({id(piece.sequence) for piece in planned}) == len(planned)
        for batch in batches:
            assert 0 < sum(piece.n_tokens for piece in batch) <= max_tokens
            assert len(batch) == 1 or not any(piece.sequence.deterministic for piece in batch)
        assert all(piece.last == (piece.n_tokens == piece.sequence.pending) for piece in planned)
        moved |= {piece.sequence.decoding for piece in planned}
    assert moved == {sequence.decoding for sequence in running}
