"""Limits hold in every window, after a restart, whatever the clock says, and between servers."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_uml.access import Database, Ledger, Limiter, Limits, Principal, limiter
from jupyter_uml.access.limiter import duration
from jupyter_uml.errors import InvalidRequest, RateLimited

pytestmark = pytest.mark.anyio


class Clock:
    def __init__(self) -> None:
        self.now = 5000.25

    def __call__(self) -> float:
        return self.now


def key(name: str = "key_a", **limits: int) -> Principal:
    return Principal(name, name, frozenset(), limits=Limits(**limits), by_key=True)


def user(name: str = "ann") -> Principal:
    return Principal(name, name, frozenset())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> Limiter:
    return Limiter(clock=clock)


def refusal(limits: Limiter, principal: Principal, tokens: int = 0) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        limits.admit(principal, tokens)
    return caught.value


@pytest.mark.parametrize(("limit", "seconds"), [("burst", 1), ("requests_per_minute", 60), ("requests_per_hour", 3600)])
def test_requests(limits: Limiter, clock: Clock, limit: str, seconds: int) -> None:
    principal = key(**{limit: 3})
    for _ in range(3):
        limits.admit(principal).close()
    clock.now += seconds / 4
    error = refusal(limits, principal)
    assert error.details["limit"] == limit
    assert error.retry_after == pytest.approx(seconds * 3 / 4)
    clock.now += error.retry_after or 0
    limits.admit(principal).close()


def test_what_is_refused_costs_nothing(limits: Limiter, clock: Clock) -> None:
    principal = key(burst=1, requests_per_minute=2)
    limits.admit(principal)
    for _ in range(50):
        refusal(limits, principal)
    clock.now += 1
    limits.admit(principal)


def test_the_longest_wait_is_told(limits: Limiter) -> None:
    principal = key(burst=1, requests_per_minute=1, requests_per_hour=1)
    limits.admit(principal)
    assert refusal(limits, principal).retry_after == pytest.approx(3600)


def test_tokens_are_reserved_and_the_rest_given_back(limits: Limiter) -> None:
    principal = key(tokens_per_minute=1000)
    with limits.admit(principal, 800) as lease:
        assert refusal(limits, principal, 201).details["limit"] == "tokens_per_minute"
        lease.settle(300)
        lease.settle(300)
    limits.admit(principal, 700).close()
    refusal(limits, principal, 1)


def test_without_settling_all_of_the_reserved_counts(limits: Limiter) -> None:
    limits.admit(key(tokens_per_minute=100), 100).close()
    refusal(limits, key(tokens_per_minute=100), 1)


def test_what_was_taken_beyond_the_reserved_counts_too(limits: Limiter, clock: Clock) -> None:
    principal = key(tokens_per_minute=100)
    lease = limits.admit(principal, 50)
    clock.now += 10
    lease.settle(150)
    assert refusal(limits, principal, 10).retry_after == pytest.approx(60)


def test_a_request_that_can_never_be_let_in_is_told_so(limits: Limiter) -> None:
    with pytest.raises(InvalidRequest) as caught:
        limits.admit(key(tokens_per_minute=100), 101)
    assert caught.value.param == "max_tokens"


def test_requests_at_the_same_time(limits: Limiter) -> None:
    principal = key(max_concurrent=2)
    first, second = limits.admit(principal), limits.admit(principal)
    error = refusal(limits, principal)
    assert error.details["limit"] == "max_concurrent"
    assert error.retry_after
    first.close()
    first.close()
    with limits.admit(principal):
        refusal(limits, principal)
    second.close()
    limits.admit(principal)


def test_principals_do_not_know_of_each_other(limits: Limiter) -> None:
    limits.admit(key("key_a", requests_per_minute=1))
    limits.admit(key("key_b", requests_per_minute=1))


def test_defaults_of_keys_and_of_users_are_apart(clock: Clock) -> None:
    limits = Limiter(key_defaults=Limits(burst=5, requests_per_minute=7), user_defaults=Limits(burst=100), clock=clock)
    assert limits.limits_of(key()) == Limits(burst=5, requests_per_minute=7)
    assert limits.limits_of(key(burst=9)) == Limits(burst=9, requests_per_minute=7)
    assert limits.limits_of(user()) == Limits(burst=100)


def test_limits_that_change_go_on_from_what_was_counted(limits: Limiter) -> None:
    for _ in range(5):
        limits.admit(key(requests_per_minute=10))
    refusal(limits, key(requests_per_minute=5))
    limits.admit(key(requests_per_minute=6))


def test_headers_are_openais(limits: Limiter, clock: Clock) -> None:
    principal = key(requests_per_minute=60, burst=10, tokens_per_minute=1000)
    with limits.admit(principal, 400) as lease:
        lease.settle(100)
        clock.now += 0.5
        assert lease.headers() == {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "59",
            "x-ratelimit-reset-requests": "59.5s",
            "x-ratelimit-limit-tokens": "1000",
            "x-ratelimit-remaining-tokens": "900",
            "x-ratelimit-reset-tokens": "59.5s",
        }
    for _ in range(9):
        limits.admit(principal)
    assert limits.headers(principal)["x-ratelimit-remaining-requests"] == "0", "of the second, which is used up"
    assert limits.headers(user()) == {}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-1, "0s"),
        (0.12, "120ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.9996, "1m0s"),
        (360, "6m0s"),
        (3612, "1h0m12s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_principals_that_are_gone_take_no_memory(
    limits: Limiter, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limiter, "MOST_METERS", 10)
    staying = limits.admit(key("key_staying", max_concurrent=1))
    for n in range(100):
        clock.now += 7
        limits.admit(key(f"key_{n}", requests_per_minute=1)).close()
        assert len(limits._meters) <= 12
    refusal(limits, key("key_99", requests_per_minute=1))
    refusal(limits, key("key_staying", max_concurrent=1))
    staying.close()


# --- a restart, the clock, other servers ---


class Machine:
    """Servers with a ledger, one after the other or beside each other, and a wall clock that anybody sets."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "access.sqlite"
        self.steady, self.wall, self.boot = 5000.25, 1_800_000_000.0, "first"

    @contextmanager
    def server(self) -> Iterator[tuple[Limiter, Database]]:
        with closing(Database(self.path)) as database:
            ledger = Ledger(database, steady=lambda: self.steady, wall=lambda: self.wall, boot=self.boot)
            yield Limiter(ledger, clock=lambda: self.steady), database

    def pass_by(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += seconds


# Requests after so many seconds; before each life of the server but the first the clock is set by so many.
LIVES = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1e9, -1e9, 30.0, -30.0]),
        st.lists(st.one_of(st.just(0.0), st.floats(0, 30)), max_size=12),
    ),
    max_size=6,
)


@settings(max_examples=40)
@given(LIVES)
def test_limits_hold_over_restarts_whatever_the_clock_says(lives: list[tuple[float, list[float]]]) -> None:
    let_in: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder))
        for step, pauses in lives:
            machine.wall += step
            with machine.server() as (limits, _):
                for pause in pauses:
                    machine.pass_by(pause)
                    ask(limits, machine, let_in)


def ask(limits: Limiter, machine: Machine, let_in: list[float]) -> None:
    error = None
    try:
        limits.admit(key(requests_per_minute=3, tokens_per_minute=50), 30).settle(10)
    except RateLimited as refused:
        error = refused
    if error is not None:
        assert machine.steady + (error.retry_after or 0) <= let_in[-1] + 60 + 1e-6
    else:
        let_in.append(machine.steady)
        assert len([then for then in let_in if then > machine.steady - 60]) <= 3


def test_a_restart_of_the_machine_goes_by_the_calendar(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with machine.server() as (limits, _):
        limits.admit(key(requests_per_minute=1))
    machine.boot, machine.steady, machine.wall = "second", 7.0, machine.wall + 20
    with machine.server() as (limits, _):
        assert refusal(limits, key(requests_per_minute=1)).retry_after == pytest.approx(40, abs=1.1)


@pytest.mark.parametrize("step", [-1e9, -100.0])
def test_a_calendar_that_was_set_back_blocks_for_no_longer_than_the_window(tmp_path: Path, step: float) -> None:
    machine = Machine(tmp_path)
    with machine.server() as (limits, _):
        limits.admit(key(requests_per_minute=1))
    machine.boot, machine.steady, machine.wall = "second", 7.0, machine.wall + step
    with machine.server() as (limits, _):
        machine.pass_by(60)
        limits.admit(key(requests_per_minute=1))


def test_tokens_that_were_given_back_stay_so_after_a_restart(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with machine.server() as (limits, _):
        for _ in range(3):
            limits.admit(key(tokens_per_minute=100), 60).settle(20)
            machine.pass_by(0.4)
    with machine.server() as (limits, _):
        assert limits.headers(key(tokens_per_minute=100))["x-ratelimit-remaining-tokens"] == "40"


async def test_servers_of_one_user_share_their_limits(tmp_path: Path) -> None:
    machine, principal = Machine(tmp_path), key(requests_per_minute=4)
    with machine.server() as (one, first), machine.server() as (other, second):
        one.admit(principal)
        one.admit(principal)
        await first.flush()
        other.admit(principal)
        await second.flush()
        other.admit(principal)
        refusal(other, principal)


async def test_tokens_that_are_given_back_are_so_in_every_server(tmp_path: Path) -> None:
    machine, principal = Machine(tmp_path), key(tokens_per_minute=100)
    with machine.server() as (one, first), machine.server() as (other, second):
        lease = one.admit(principal, 80)
        await first.flush()
        machine.pass_by(0.3)
        other.admit(principal, 1)
        await second.flush()
        refusal(other, principal, 50)
        lease.settle(20)
        await first.flush()
        machine.pass_by(5)
        other.admit(principal, 1)
        await second.flush()
        assert other.headers(principal)["x-ratelimit-remaining-tokens"] == "78"


def test_what_was_admitted_is_on_the_disk_within_a_second(tmp_path: Path) -> None:
    with Machine(tmp_path).server() as (limits, database):
        limits.admit(key(requests_per_minute=1))
        end = time.monotonic() + 1
        while not database.read_now(rows_of_the_ledger):
            assert time.monotonic() < end
            time.sleep(0.01)


def test_the_ledger_keeps_an_hour(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with machine.server() as (limits, database):
        for _ in range(100):
            limits.admit(key(requests_per_hour=10**6))
            machine.pass_by(100)
            database.submit(lambda _: None).result()
        assert 36 <= database.read_now(rows_of_the_ledger) <= 40


def rows_of_the_ledger(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM admissions").fetchone()[0])


async def test_a_full_disk_forgets_nothing_that_counts(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with machine.server() as (limits, database), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "_exchange", Mock(side_effect=OSError("full")))
        limits.admit(key(requests_per_minute=1))
        await database.flush()
    with machine.server() as (again, _):
        refusal(again, key(requests_per_minute=1))


def test_tokens_may_be_reserved_once_it_is_known_how_many(limits: Limiter, clock: Clock) -> None:
    principal = key(requests_per_minute=5, tokens_per_minute=100)
    with limits.admit(principal) as lease:
        first, second = lease.reserve(60), lease.reserve(40)
        with pytest.raises(RateLimited) as caught:
            lease.reserve(1)
        assert caught.value.details["limit"] == "tokens_per_minute"
        with pytest.raises(InvalidRequest):
            lease.reserve(101)
        first.settle(10)
        lease.reserve(50).settle(0)
        second.settle(45)  # more than it had reserved
    assert limits.headers(principal)["x-ratelimit-remaining-tokens"] == "45"
    assert limits.headers(principal)["x-ratelimit-remaining-requests"] == "4"  # one request, whatever it reserved
    clock.now += 60
    assert limits.headers(principal)["x-ratelimit-remaining-tokens"] == "100"
