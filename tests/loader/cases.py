"""What the tests of the loader share: a loader that is closed, requests, and looks at its workers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import psutil

from jupyter_uml.loader import Catalog, UniversalLoader
from jupyter_uml.loader.handle import EngineHandle
from jupyter_uml.types import Chunk, GenerateRequest, Message, SamplingParams
from tests.conftest import is_worker


def known_files() -> Path:
    """Where all tests remember what files hold: to find that out takes a process for each."""
    return Path(os.environ["JUPYTER_DATA_DIR"], "known")


@asynccontextmanager
async def loader_over(*folders: Path) -> AsyncIterator[UniversalLoader]:
    loader = UniversalLoader(Catalog(folders, state=known_files()))
    try:
        yield loader
    finally:
        await loader.close()


def request(name: str = "r", params: SamplingParams | None = None, content: str = "Hello!") -> GenerateRequest:
    return GenerateRequest(name, "demo", messages=(Message("user", content),), params=params or SamplingParams())


def endless(name: str = "r", tokens: int | None = None) -> GenerateRequest:
    """A request that runs for seconds."""
    params = SamplingParams(temperature=1.0, seed=1, max_tokens=tokens)
    return GenerateRequest(name, "endless", messages=(Message("user", "Hello!"),), params=params)


def own_workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if is_worker(child)]


def children() -> set[psutil.Process]:
    """Of this process: beside workers also the servers and kernels of other tests, which last as long as all tests."""
    return set(psutil.Process().children())


def come_since(before: Collection[psutil.Process]) -> list[psutil.Process]:
    """The children that were not there before, and theirs."""
    new = children() - set(before)
    return [*new, *(grandchild for child in new for grandchild in _below(child))]


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


async def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def collect(loader: UniversalLoader, what: GenerateRequest) -> list[Chunk]:
    async with loader.use(what.model) as engine, aclosing(engine.submit(what)) as chunks:
        return [chunk async for chunk in chunks]


async def engine_of(loader: UniversalLoader, model: str) -> EngineHandle:
    """To be looked at: nothing keeps it from being unloaded."""
    async with loader.use(model) as engine:
        return engine
