"""Who is next, by lists: nobody who asks for little waits behind somebody who asks for much."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uml.access.fair_order import FairOrder, Ticket
from jupyter_uml.types import Priority


def line(*tickets: Ticket, most: int = 10**6) -> FairOrder:
    order = FairOrder(most)
    for ticket in tickets:
        assert order.enter(ticket) is None
    return order


def names(order: FairOrder) -> list[str]:
    found = []
    while ticket := order.take():
        found.append(ticket.principal)
    return found


def many(
    principal: str, count: int, cost: float = 1.0, weight: float = 1.0, priority: Priority = "interactive"
) -> list[Ticket]:
    return [Ticket(principal, cost, priority, weight) for _ in range(count)]


def test_one_principals_requests_come_in_their_order() -> None:
    tickets = many("ann", 5)
    order = line(*tickets)
    assert [order.take() for _ in range(6)] == [*tickets, None]


def test_two_take_turns() -> None:
    assert names(line(*many("ann", 4), *many("bob", 3))) == ["ann", "bob"] * 3 + ["ann"]


def test_a_notebook_comes_next_but_one_behind_a_thousand() -> None:
    order = line(*many("batch", 1000, cost=500))
    for _ in range(400):
        order.take()
    order.enter(Ticket("notebook", 2000))
    assert "notebook" in [ticket.principal for ticket in (order.take(), order.take()) if ticket]


def test_who_costs_more_comes_less_often() -> None:
    assert Counter(names(line(*many("dear", 30, cost=3), *many("cheap", 90)))[:40]) == {"dear": 10, "cheap": 30}


def test_twice_the_weight_gets_twice_as_much() -> None:
    assert Counter(names(line(*many("ann", 60, weight=2), *many("bob", 60)))[:30]) == {"ann": 20, "bob": 10}


def test_interactive_before_batch() -> None:
    order = line(*many("ann", 3, priority="batch"), *many("bob", 2), *many("ann", 1))
    assert names(order) == ["bob", "ann", "bob", "ann", "ann", "ann"]


def test_what_was_taken_interactively_counts_for_the_batch() -> None:
    order = line(
        *many("ann", 1, cost=5, priority="batch"), *many("bob", 1, cost=5, priority="batch"), *many("ann", 1, cost=5)
    )
    assert names(order) == ["ann", "bob", "ann"]


def test_who_was_away_has_no_claim() -> None:
    order = line(*many("ann", 100))
    for _ in range(50):
        order.take()
    for ticket in many("bob", 50):
        order.enter(ticket)
    assert Counter(names(order)[:20]) == {"ann": 10, "bob": 10}


def test_who_takes_more_than_was_expected_waits_for_longer() -> None:
    order = line(*many("ann", 5), *many("bob", 5))
    assert order.take() is not None
    order.charge("ann", 3)
    assert names(order) == ["bob", "bob", "bob", "bob", "ann", "bob", "ann", "ann", "ann"]


def test_who_gives_up_is_charged_nothing() -> None:
    gone = many("ann", 20, cost=100)
    order = line(*gone, *many("ann", 2), *many("bob", 3))
    for ticket in gone:
        order.remove(ticket)
        order.remove(ticket)
    assert names(order) == ["ann", "bob", "ann", "bob", "bob"]
    assert len(order) == 0


def test_who_has_most_makes_room_for_who_has_less() -> None:
    flood = many("flood", 8)
    order = line(*flood, most=8)
    assert order.enter(extra := Ticket("flood")) is extra
    assert order.enter(Ticket("notebook")) is flood[-1]
    assert order.enter(Ticket("notebook")) is flood[-2]
    assert len(order) == 8
    for _ in range(20):
        order.enter(Ticket("notebook"))
    assert (order.waiting("flood"), order.waiting("notebook")) == (4, 4)
    order.enter(Ticket("third"))
    assert order.waiting("third") == 1


def test_who_would_then_have_as_many_gets_nobody_out() -> None:
    order = line(*many("ann", 5), *many("bob", 4), most=9)
    assert order.enter(extra := Ticket("bob")) is extra


def test_batch_makes_room_before_interactive() -> None:
    batch = many("ann", 2, priority="batch")
    order = line(*batch, *many("ann", 2), most=4)
    assert order.enter(Ticket("bob")) is batch[1]
    assert order.enter(Ticket("ann")) is batch[0]
    assert order.enter(extra := Ticket("ann", priority="batch")) is extra


PEOPLE = st.sampled_from("abcde")
TICKETS = st.builds(
    Ticket, PEOPLE, st.floats(1, 100), st.sampled_from(["interactive", "batch"]), st.sampled_from([1.0, 2.0])
)
MOVES = st.lists(st.one_of(TICKETS, st.sampled_from(["take", "give up", "charge"])), max_size=80)


@given(MOVES, st.integers(1, 12))
def test_everybody_comes_out_once_or_knows_why_not(moves: list[Ticket | str], most: int) -> None:
    order, inside = FairOrder(most), []
    for move in moves:
        if isinstance(move, Ticket):
            ticket = Ticket(move.principal, move.cost, move.priority, move.weight)
            leaving = order.enter(ticket)
            if leaving is not ticket:
                inside.append(ticket)
            if leaving is not None and leaving is not ticket:
                inside.remove(leaving)
        elif move == "take":
            taken = order.take()
            assert (taken is None) == (not inside)
            if taken is not None:
                assert taken.priority == min((t.priority for t in inside), key=["interactive", "batch"].index)
                inside.remove(taken)
        elif move == "give up" and inside:
            order.remove(inside.pop(len(inside) // 2))
        elif move == "charge":
            order.charge("a", 50)
        assert len(order) == len(inside) <= most
        assert [order.waiting(name) for name in "abcde"] == [sum(t.principal == n for t in inside) for n in "abcde"]
    assert {id(order.take()) for _ in range(len(inside))} == {id(ticket) for ticket in inside}


@given(
    st.lists(st.tuples(st.floats(1, 50), st.floats(1, 50)), min_size=30, max_size=60),
    st.sampled_from([0.5, 1.0, 3.0]),
)
def test_two_that_always_wait_get_the_same_by_weight(costs: list[tuple[float, float]], weight: float) -> None:
    order = FairOrder(10**6)
    for a, b in costs:
        order.enter(Ticket("a", a, weight=weight))
        order.enter(Ticket("b", b))
    got = {"a": 0.0, "b": 0.0}
    while order.waiting("a") and order.waiting("b"):
        ticket = order.take()
        assert ticket is not None
        got[ticket.principal] += ticket.cost / ticket.weight
        assert abs(got["a"] - got["b"]) <= 50 / weight + 50 + 1e-6, "Goyal, Vin and Cheng's bound"


def test_a_long_line_is_as_quick_as_a_short_one() -> None:
    def seconds(count: int) -> float:
        order = line(*(Ticket(f"p{n % 500}") for n in range(count)), most=count)
        start = time.perf_counter()
        for n in range(1000):
            order.enter(Ticket(f"p{n}"))
            order.take()
        return time.perf_counter() - start

    seconds(1000)
    assert seconds(50_000) < 10 * seconds(1000) + 0.02


@pytest.mark.parametrize("priority", ["interactive", "batch"])
def test_nothing_is_remembered_of_who_is_gone(priority: Priority) -> None:
    order = FairOrder(10)
    for n in range(20_000):
        order.enter(Ticket(f"p{n}", priority=priority))
        order.take()
    assert len(order._ends) <= 5000
    assert len(order._flows) == 0
    assert len(order._heap) == 0
