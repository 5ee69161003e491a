"""Keys are made, found, ended and taken back, in every server of their user."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from jupyter_uml.access import KEY_PREFIX, Database, KeyRing, Limits, key_table, keys
from jupyter_uml.access.clock import Calendar
from jupyter_uml.errors import InsufficientDisk, InvalidRequest, KeyNotFound

pytestmark = pytest.mark.anyio

Make = Callable[..., KeyRing]


class Clocks:
    """A wall clock that can be set, and one that cannot."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_800_000_000.0, 1000.0
        self.calendar = Calendar(lambda: self.wall, lambda: self.steady)

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def make_ring(open_database: Callable[..., Database]) -> Iterator[Make]:
    """Servers of one user: each has a connection and a ring of its own."""
    with ExitStack() as stack:

        def make(**options: Any) -> KeyRing:
            return stack.enter_context(closing(KeyRing(open_database(), **options)))

        yield make


@pytest.fixture
def ring(make_ring: Make) -> KeyRing:
    return make_ring()


async def within_a_second(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 1
    while not condition():
        assert time.monotonic() < end, "not within a second"
        await asyncio.sleep(0.01)


async def test_a_key_is_found_by_its_secret_with_all_that_it_may(ring: KeyRing) -> None:
    limits = Limits(requests_per_minute=60, tokens_per_minute=1000)
    key, secret = await ring.create(" ci ", ["infer"], models=["demo", "llama*"], expires_in=60, limits=limits)
    assert secret.startswith(KEY_PREFIX)
    assert len(secret) == len(KEY_PREFIX) + 43
    principal = ring.find(secret)
    assert principal is not None
    assert (principal.id, principal.name, principal.by_key) == (key.id, "ci", True)
    assert (principal.scopes, principal.limits) == (frozenset(["infer"]), limits)
    assert [principal.may_use(model) for model in ("demo", "llama-3", "demo2", "x/llama")] == [True, True, False, False]


@pytest.mark.parametrize("wrong", ["", "uml_", "uml_x", "token", "uml_" + "x" * 10**6, "uml_\ud800", "\x00"])
async def test_what_is_no_key_is_found_nowhere(ring: KeyRing, wrong: str) -> None:
    _, secret = await ring.create("ci", ["infer"])
    assert ring.find(wrong) is None
    assert ring.find(secret[:-1]) is None
    assert ring.find(secret + "A") is None
    assert ring.find(secret.swapcase()) is None


async def test_no_secret_is_kept_anywhere(path: Path, make_ring: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    ring = make_ring()
    key, secret = await ring.create("ci", ["infer"])
    temporary, second = ring.create_ephemeral("kernel", ["infer"])
    ring.find(secret)
    shown = f"{key!r} {temporary!r} {ring!r} {ring.find(secret)!r} {asdict(key)} {await ring.all()} {caplog.text}"
    for part in (secret, second):
        assert part[8:] not in shown
        for file in path.parent.iterdir():
            assert part[8:].encode() not in file.read_bytes(), file.name


async def test_a_key_outlives_the_server_and_what_it_may_does_too(make_ring: Make) -> None:
    first = make_ring()
    key, secret = await first.create("ci", ["infer", "models:read"], models=["demo"], limits=Limits(burst=3))
    second = make_ring()
    assert second.find(secret) == first.find(secret)
    (listed,) = await second.all()
    assert listed.id == key.id


async def test_keys_of_another_server_work_and_end_here_within_a_second(make_ring: Make) -> None:
    here, there = make_ring(), make_ring()
    key, secret = await there.create("ci", ["infer"])
    await within_a_second(lambda: here.find(secret) is not None)
    await here.revoke(key.id)
    assert here.find(secret) is None, "at once where it was revoked"
    await within_a_second(lambda: there.find(secret) is None)


async def test_a_key_that_any_program_revokes_ends_within_a_second(path: Path, ring: KeyRing) -> None:
    key, secret = await ring.create("ci", ["infer"])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE keys SET revoked_at = 1 WHERE id = ?", (key.id,))
    await within_a_second(lambda: ring.find(secret) is None)


async def test_keys_end_with_their_file(path: Path, ring: KeyRing) -> None:
    _, secret = await ring.create("ci", ["infer"])
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    await within_a_second(lambda: ring.find(secret) is None)


async def test_a_revoked_key_stays_so(ring: KeyRing) -> None:
    key, secret = await ring.create("ci", ["infer"])
    await ring.revoke(key.id)
    before = await ring.get(key.id)
    await ring.revoke(key.id)
    await ring.expire(key.id, None)
    assert ring.find(secret) is None
    assert (await ring.get(key.id)).revoked_at == before.revoked_at
    assert before.state(0) == "revoked"


async def test_revoking_works_here_although_the_disk_is_full(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    key, secret = await ring.create("ci", ["infer"])

    async def full(_: object) -> None:
        raise InsufficientDisk("full")

    monkeypatch.setattr(ring._database, "write", full)
    with pytest.raises(InsufficientDisk):
        await ring.revoke(key.id)
    assert ring.find(secret) is None
    with pytest.raises(InsufficientDisk):
        await ring.create("other", ["infer"])


async def test_a_key_that_could_not_be_written_does_not_exist(open_database: Callable[..., Database]) -> None:
    made = 0
    with closing(KeyRing(open_database(max_bytes=4096))) as ring:
        try:
            while made < 100:
                await ring.create("x" * 100, ["infer"], models=["m" * 200])
                made += 1
        except InsufficientDisk:
            assert len(await ring.all()) == made
    assert 0 < made < 100


async def test_ephemeral_keys_are_of_one_server_only(path: Path, make_ring: Make) -> None:
    here = make_ring()
    key, secret = here.create_ephemeral("kernel", ["infer"])
    there = make_ring()
    assert here.find(secret) is not None
    assert there.find(secret) is None
    assert [known.ephemeral for known in await here.all()] == [True]
    assert await there.all() == []
    await here.revoke(key.id)
    assert here.find(secret) is None


async def test_ids_that_there_are_not(ring: KeyRing) -> None:
    for change in (ring.revoke("key_x"), ring.expire("key_x", 1), ring.get("key_x")):
        with pytest.raises(KeyNotFound) as caught:
            await change
        assert caught.value.param == "id"
    assert not ring._revoked, "nothing is remembered of what was asked for"


# --- time ---


async def test_a_key_ends_when_its_time_is_over(make_ring: Make) -> None:
    clocks = Clocks()
    ring = make_ring(calendar=clocks.calendar)
    key, secret = await ring.create("ci", ["infer"], expires_in=60)
    clocks.pass_by(59)
    assert ring.find(secret) is not None
    clocks.pass_by(1)
    assert ring.find(secret) is None
    assert (await ring.get(key.id)).state(clocks.wall) == "expired"
    await ring.expire(key.id, 10)
    assert ring.find(secret) is not None
    await ring.expire(key.id, None)
    clocks.pass_by(10**8)
    assert ring.find(secret) is not None


async def test_a_clock_that_is_set_back_prolongs_no_key(make_ring: Make) -> None:
    clocks = Clocks()
    ring = make_ring(calendar=clocks.calendar)
    _, secret = await ring.create("ci", ["infer"], expires_in=60)
    clocks.wall -= 86400
    clocks.pass_by(59)
    assert ring.find(secret) is not None
    clocks.pass_by(1)
    assert ring.find(secret) is None


async def test_a_clock_that_is_set_forward_and_back_ends_no_key_for_good(make_ring: Make) -> None:
    clocks = Clocks()
    ring = make_ring(calendar=clocks.calendar)
    _, secret = await ring.create("ci", ["infer"], expires_in=60)
    clocks.wall += 86400
    assert ring.find(secret) is None
    clocks.wall -= 86400
    assert ring.find(secret) is not None


async def test_when_a_key_was_used_is_known_at_once_and_kept(make_ring: Make) -> None:
    clocks = Clocks()
    first = make_ring(calendar=clocks.calendar)
    key, secret = await first.create("ci", ["infer"])
    assert (await first.get(key.id)).last_used is None
    clocks.pass_by(5)
    first.find(secret)
    assert (await first.get(key.id)).last_used == clocks.wall
    first.close()
    await first._database.flush()
    assert (await make_ring().get(key.id)).last_used == clocks.wall


# --- bounds ---


@pytest.mark.parametrize(
    ("param", "wrong"),
    [
        ("name", {"name": " "}),
        ("name", {"name": "x" * 101}),
        ("name", {"name": "a\nb"}),
        ("name", {"name": "a\u202eb"}),
        ("name", {"name": "\ud800"}),
        ("scopes", {"scopes": []}),
        ("scopes", {"scopes": ["infer", "everything"]}),
        ("models", {"models": []}),
        ("models", {"models": ["../secret file"]}),
        ("models", {"models": ["x" * 201]}),
        ("models", {"models": ["m"] * 65}),
        ("expires_in", {"expires_in": 0}),
        ("expires_in", {"expires_in": float("nan")}),
        ("expires_in", {"expires_in": float("inf")}),
        ("burst", {"limits": Limits(burst=0)}),
        ("tokens_per_minute", {"limits": Limits(tokens_per_minute=10**10)}),
        ("max_concurrent", {"limits": Limits(max_concurrent=True)}),
    ],
)
async def test_what_a_key_must_not_be(ring: KeyRing, param: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await ring.create(**{"name": "ci", "scopes": ["infer"], **wrong})
    assert caught.value.param == param
    assert await ring.all() == []


async def test_the_number_of_keys_is_bounded_and_the_revoked_make_room(
    ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_table, "MOST_KEYS", 3)
    made = [(await ring.create(f"{n}", ["infer"]))[0] for n in range(3)]
    with pytest.raises(InvalidRequest, match="3 keys already"):
        await ring.create("more", ["infer"])
    await ring.revoke(made[1].id)
    await ring.revoke(made[0].id)
    await ring.create("more", ["infer"])
    assert [key.name for key in await ring.all()] == ["0", "2", "more"]


async def test_expired_keys_make_room_too(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_table, "MOST_KEYS", 2)
    await ring.create("for ever", ["infer"])
    for n in range(3):
        await ring.create(f"{n}", ["infer"], expires_in=1e-6)
    assert [key.name for key in await ring.all()] == ["for ever", "2"]


async def test_the_number_of_ephemeral_keys_is_bounded(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST_EPHEMERAL", 1)
    ring.create_ephemeral("kernel", ["infer"])
    with pytest.raises(InvalidRequest):
        ring.create_ephemeral("kernel", ["infer"])
