"""Who is served first."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_uml.engine.waiting_line import WaitingLine


@dataclass(eq=False)
class Request:
    name: str
    principal: str = "ann"
    rank: int = 0


def line(*requests: Request) -> WaitingLine[Request]:
    waiting = WaitingLine[Request]()
    for request in requests:
        waiting.come(request)
    return waiting


def order(waiting: WaitingLine[Request]) -> list[str]:
    return [request.name for request in waiting]


def test_who_comes_first_is_served_first() -> None:
    assert order(line(Request("a"), Request("b"), Request("c"))) == ["a", "b", "c"]


def test_interactive_requests_come_before_batch_requests() -> None:
    assert order(line(Request("a", rank=1), Request("b", rank=0))) == ["b", "a"]


def test_a_thousand_requests_of_one_do_not_stand_before_one_of_another() -> None:
    waiting = line(*(Request(str(i)) for i in range(1000)))
    running = next(iter(waiting))
    waiting.leave(running)
    waiting.charge("ann", 500)
    waiting.come(Request("bob's", "bob"))
    waiting.charge("ann", 1)
    assert order(waiting)[0] == "bob's"


def test_who_was_away_has_no_claim_on_what_was_left_unused() -> None:
    waiting = line(Request("a1"), Request("a2"))
    waiting.charge("ann", 10_000)
    waiting.come(Request("b1", "bob"))
    waiting.charge("bob", 100)
    assert order(waiting) == ["a1", "a2", "b1"], "bob started level with ann"


def test_who_had_to_give_way_comes_before_the_others_of_the_same_principal() -> None:
    first = Request("first")
    waiting = line(first, Request("second"))
    waiting.leave(first)
    waiting.come_back(first)
    assert order(waiting) == ["first", "second"]


def test_an_ended_request_is_gone() -> None:
    first = Request("first")
    waiting = line(first, Request("second"))
    waiting.go(first)
    assert order(waiting) == ["second"]
    assert len(waiting) == 1


def test_who_comes_while_nobody_is_there_starts_level_with_who_was_there_last() -> None:
    first = Request("a1")
    waiting = line(first)
    waiting.charge("ann", 1_000_000)
    waiting.go(first)
    for number in range(1000):
        waiting.come(Request(f"b{number}", "bob"))
    waiting.come(Request("a2"))
    waiting.charge("bob", 1)
    assert order(waiting)[0] == "a2"
