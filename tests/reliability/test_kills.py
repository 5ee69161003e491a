"""`kill -9` of the worker or of the server at any moment: nobody is left in doubt, and what was promised holds."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import launch
from tests.reliability.client import End, Reply, Stream
from tests.reliability.conftest import LONG
from tests.reliability.figures import note
from tests.reliability.promises import Promises
from tests.server.socket_client import Client, dial

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(3600 if LONG else 240)]

KILLS, STREAMS = (50, 24) if LONG else (6, 12)
OVER_SOCKET = 4  # generations
SLACK = 1.0 if LONG else 5.0  # seconds over the time of a load; other tests may run beside the short form
ENDS = {  # of streams whose worker or server is killed
    "worker": {End.ANSWER, End.ERROR, End.REFUSED},
    "server": {End.ANSWER, End.CUT},
}


class Patient:
    """A server that is killed again and again, always in the same folder."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._folder, self.rng = folder, rng
        self.promises = Promises()
        self.server = launch(folder)

    def load_seconds(self) -> float:
        self.server.post("unload_model", {"model": "endless"}).raise_for_status()
        began = time.monotonic()
        self.server.post("load_model", {"model": "endless", "n_threads": 1, "n_ctx": 2048}).raise_for_status()
        return time.monotonic() - began

    async def kill_worker(self) -> float:
        """Under load, at any moment. Seconds until the model is loaded again."""
        async with self._load() as over:
            pid, killed = self.server.model("endless")["pid"], time.monotonic()
            psutil.Process(pid).kill()
            back = asyncio.create_task(self._until_loaded(pid))
            assert await over("worker") == OVER_SOCKET
        seconds = await back - killed
        await self._until_answered()
        return seconds

    async def kill_server(self) -> float:
        """Seconds until the next answer, its own start not counted."""
        async with self._load() as over:
            self._kill_server()
            await over("server")
        self.server = await asyncio.to_thread(launch, self._folder)
        started = time.monotonic()
        self.promises.check(self.server)
        return await self._until_answered() - started

    @asynccontextmanager
    async def _load(self) -> AsyncIterator[Callable[[str], Awaitable[int]]]:
        """Streams, generations over a socket, and keys that are made and revoked, since a moment. Gives what waits
        until it is over for all of them, and looks how it was."""
        async with dial(self.server) as client:
            for n in range(OVER_SOCKET):
                await client.start(str(n), self._request())
            streams = [Stream(self.server, self._request()) for _ in range(STREAMS)]
            clerk = asyncio.create_task(self.promises.make_and_revoke(self.server))
            await asyncio.sleep(self.rng.random() * 0.6)

            async def over(victim: str) -> int:
                self._check([await stream.to_its_end() for stream in streams], victim)
                return await ended(client)

            try:
                yield over
            finally:
                clerk.cancel()
                await asyncio.wait([clerk])

    def _request(self) -> dict[str, Any]:
        """Some are over before anything happens, some have to wait for their turn, some are no streams."""
        messages = [{"role": "user", "content": f"{self.rng.random()} Tell me everything."}]
        sizes = {"max_tokens": self.rng.choice((2, 20, 300)), "stream": self.rng.random() < 0.8}
        return {"model": "endless", "messages": messages, **sizes}

    def _kill_server(self) -> None:
        workers = self.server.workers()
        self.server.process.kill()
        self.server.process.wait()
        _, alive = psutil.wait_procs(workers, 2)
        assert all(worker.status() == psutil.STATUS_ZOMBIE for worker in alive), "a worker outlived its server"

    def _check(self, replies: list[Reply], victim: str) -> None:
        ends = Counter(reply.end for reply in replies)
        assert set(ends) <= ENDS[victim], ends
        assert all(reply.said_when for reply in replies if reply.end is End.REFUSED)
        self.promises.answered(replies)

    async def _until_loaded(self, killed: int) -> float:
        """When another worker than the one with this pid was there (`time.monotonic`)."""
        while (row := await asyncio.to_thread(self.server.model, "endless"))["pid"] in (None, killed):
            if row["state"] == "failed":  # it crashed too often, and is left alone until somebody loads it
                await asyncio.to_thread(self.server.post, "load_model", {"model": "endless"})
            await asyncio.sleep(0.02)
        return time.monotonic()

    async def _until_answered(self) -> float:
        """When it was (`time.monotonic`)."""
        short = self._request() | {"max_tokens": 1}
        while (reply := await Stream(self.server, short).to_its_end()).end is not End.ANSWER:
            assert reply.said_when, reply
            await asyncio.sleep(0.02)
        return reply.ended


async def ended(client: Client) -> int:
    """How many generations were told to be over, until all were or the socket broke."""
    over = 0
    while over < OVER_SOCKET and (message := await client.hear()) is not None:
        over += message["type"] in ("done", "error")
    return over


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    patient = Patient(tmp_path, random.Random(11))
    yield patient
    patient.server.stop()


async def test_kills_under_load(patient: Patient) -> None:
    load = max(patient.load_seconds() for _ in range(3))
    victims = ["server" if n % 4 == 3 else "worker" for n in range(KILLS)]
    if LONG:
        patient.rng.shuffle(victims)
    back: dict[str, list[float]] = {"worker": [], "server": []}
    for victim in victims:
        back[victim].append(await (patient.kill_worker() if victim == "worker" else patient.kill_server()))
    promises = patient.promises
    promises.check(patient.server)
    note(
        "5-kills",
        f"`kill -9` of the worker ({len(back['worker'])} times) or the server ({len(back['server'])}) under load",
        "each stream ends with `[DONE]`, an error, or a broken connection when the server died; the model is loaded "
        "again, or after a start of the server the next answer there, within the time of a load and 1 s; keys, usage "
        "and audit keep all that was acknowledged",
        streams_without_an_end=0,
        load=f"{load:.1f} s",
        back_after_at_most=f"{max(back['worker']):.1f} s; {max(back['server']):.1f} s",
        checked=f"{len(promises.keys) + len(promises.revoked)} keys, {promises.recorded} records",
    )
    assert max(*back["worker"], *back["server"]) < load + SLACK
