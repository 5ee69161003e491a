"""The scheduler, by comparing lists."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_uml.engine.scheduler import schedule


@dataclass(frozen=True)
class Fake:
    name: str
    pending: int
    decoding: bool = False


def plan(running: list[Fake], max_tokens: int = 100, prefill_chunk: int = 20) -> list[tuple[str, int, bool]]:
    batch = schedule(running, max_tokens, prefill_chunk)
    return [(piece.sequence.name, piece.n_tokens, piece.last) for piece in batch]


def test_nothing_to_do() -> None:
    assert plan([]) == []


def test_a_prompt_alone_takes_the_whole_batch() -> None:
    assert plan([Fake("a", 250)]) == [("a", 100, False)]


def test_a_prompt_that_fits_is_sampled_from() -> None:
    assert plan([Fake("a", 30)]) == [("a", 30, True)]


def test_answers_come_before_prompts_and_prompts_are_chunked() -> None:
    running = [Fake("long", 250), Fake("b", 1, True), Fake("c", 1, True)]
    assert plan(running) == [("b", 1, True), ("c", 1, True), ("long", 20, False)]


def test_prompts_share_what_is_left_in_order_of_arrival() -> None:
    running = [Fake("b", 1, True), Fake("first", 15), Fake("second", 15), Fake("third", 15)]
    assert plan(running) == [("b", 1, True), ("first", 15, True), ("second", 5, False)]


def test_a_full_batch_is_never_exceeded() -> None:
    running = [Fake(str(i), 1, True) for i in range(5)]
    assert plan(running, max_tokens=3) == [("0", 1, True), ("1", 1, True), ("2", 1, True)]
