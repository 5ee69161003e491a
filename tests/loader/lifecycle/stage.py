"""A loader with little memory to give, requests that are under way, and a look at the processes from outside."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from jupyter_uml.errors import UmlError
from jupyter_uml.loader import Catalog, UniversalLoader
from jupyter_uml.loader.memory.ledger import Ledger
from jupyter_uml.loader.memory.planner import Planner
from jupyter_uml.types import CacheSettings, Chunk, GenerateRequest, Hold, LoadSettings, Message, SamplingParams
from tests.loader.cases import known_files, own_workers

# They take about the same memory, so that it can be said in numbers of models how many fit.
PLAIN = LoadSettings(n_ctx=512, n_parallel=1, n_threads=1, kv_type="f16")
WIDE = LoadSettings(n_ctx=512, n_parallel=2, n_threads=1, kv_type="f16")
COARSE = LoadSettings(n_ctx=512, n_parallel=1, n_threads=1, kv_type="q8_0")


def make_loader(
    folder: Path, limit: int | None = None, ledger: Ledger | None = None, **options: Any
) -> UniversalLoader:
    """`limit`: bytes that its models may take together. Without a `ledger` it knows of no other server."""
    catalog = Catalog([folder], demo=False, state=known_files())
    own = ledger or Ledger(folder.parent / f"ledger-{secrets.token_hex(8)}", limit)
    planner = Planner(catalog, CacheSettings, ledger=own)
    return UniversalLoader(catalog, planner=planner, **options)


@asynccontextmanager
async def staged(folder: Path, limit: int | None = None, **options: Any) -> AsyncIterator[UniversalLoader]:
    loader = make_loader(folder, limit, **options)
    await loader.start()
    try:
        yield loader
    finally:
        await loader.close()
        await loader.catalog.close()


async def room_for(models: float, folder: Path) -> int:
    """A limit under which so many of the trio fit, and half a one more."""
    async with staged(folder) as loader:
        needed = (await loader.estimate("ann", WIDE)).needed_bytes
    return int(needed * (models + 0.4))


class Asked:
    """A request under way. One that is held keeps its model busy: its reader stops after the first chunk."""

    def __init__(
        self,
        loader: UniversalLoader,
        model: str,
        tokens: int = 5,
        *,
        held: bool = False,
        hold: Hold | None = None,
        came_to: list[int] | None = None,
    ) -> None:
        """`came_to`: gets the pid of the worker to which the request comes."""
        self.model, self.tokens, self._came_to = model, tokens, came_to
        self.pid: int | None = None  # of the worker that it came to
        self.begun = asyncio.Event()  # its answer has
        self._read_on = asyncio.Event()
        if not held:
            self._read_on.set()
        self.task = asyncio.create_task(self._run(loader, hold or Hold()), name=f"ask {model}")

    async def _run(self, loader: UniversalLoader, hold: Hold) -> list[Chunk]:
        params = SamplingParams(temperature=1.0, seed=1, max_tokens=self.tokens, ignore_eos=True)
        request = GenerateRequest("r", self.model, (Message("user", "Hello!"),), params=params, hold=hold)
        chunks = []
        async with loader.use(self.model, hold) as engine:
            self.pid = engine.pid
            if self._came_to is not None and engine.pid is not None:
                self._came_to.append(engine.pid)
            async for chunk in engine.submit(request):
                chunks.append(chunk)
                self.begun.set()
                await self._read_on.wait()
        return chunks

    def let_go(self) -> None:
        self._read_on.set()

    def check_whole(self) -> None:
        """It has ended with exactly one whole answer."""
        chunks = self.task.result()
        finals = [chunk for chunk in chunks if chunk.finish_reason is not None]
        assert finals == chunks[-1:], chunks
        assert finals[0].finish_reason == "length"
        assert sum(chunk.tokens for chunk in chunks) == self.tokens

    @property
    def error(self) -> UmlError | None:
        """With which it has ended; anything but an error of ours is raised."""
        error = self.task.exception()
        if error is not None and not isinstance(error, UmlError):
            raise error
        return error

    async def ended(self, seconds: float = 30.0) -> None:
        self.let_go()
        done, _ = await asyncio.wait([self.task], timeout=seconds)
        assert done, f"a request to {self.model} got no answer within {seconds} s"

    async def answered(self, seconds: float = 30.0) -> None:
        await self.ended(seconds)
        self.check_whole()


def workers_of(folder: Path) -> dict[str, list[psutil.Process]]:
    """The living workers by the model whose file they have mapped; those that have none yet are under an empty name."""
    found: dict[str, list[psutil.Process]] = {}
    for worker in own_workers():
        if (name := _mapped(worker, folder)) is not None:
            found.setdefault(name, []).append(worker)
    return found


def _mapped(worker: psutil.Process, folder: Path) -> str | None:
    """None: it is gone."""
    try:
        if worker.status() == psutil.STATUS_ZOMBIE:
            return None
        paths = [Path(region.path) for region in worker.memory_maps()]
    except psutil.Error:
        return None
    return next((path.stem for path in paths if path.parent == folder), "")
