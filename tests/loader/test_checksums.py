"""Checksums of files in use: found out beside all else, and what becomes of copies that are known as such by them."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.loader import Catalog, UniversalLoader
from jupyter_uml.loader.checksums import Checksums
from tests.loader.cases import eventually, own_workers

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def loader_of(*folders: Path, state: Path | None = None, delay: float = 0.0) -> AsyncIterator[UniversalLoader]:
    catalog = Catalog(folders, demo=False, state=state)
    loader = UniversalLoader(catalog, checksums=Checksums(catalog, delay))
    try:
        await loader.start()
        yield loader
    finally:
        await loader.close()


@pytest.fixture
def copies(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders, with one and the same content under two names."""
    for folder, name in (("a", "first.gguf"), ("b", "second.gguf")):
        (tmp_path / folder).mkdir()
        shutil.copy(demo_model_path(), tmp_path / folder / name)
    return tmp_path / "a", tmp_path / "b"


def is_one(loader: UniversalLoader) -> Callable[[], bool]:
    """Whether both are one model now."""
    return lambda: [(row.id, row.aliases) for row in loader.statuses()] == [("first", ("second",))]


async def test_it_is_shown_once_the_model_has_been_used(copies: tuple[Path, Path], tmp_path: Path) -> None:
    async with loader_of(copies[0], state=tmp_path / "state") as loader:
        assert loader.status("first").sha256 is None
        await loader.load("first")
        await eventually(lambda: loader.status("first").sha256 is not None)
        sha256 = loader.status("first").sha256
        assert sha256 == hashlib.sha256(demo_model_path().read_bytes()).hexdigest()
    async with loader_of(copies[0], state=tmp_path / "state") as loader:
        assert loader.status("first").sha256 == sha256  # of the same file it is remembered


@pytest.mark.parametrize("used", ["first", "second"])
async def test_copies_become_one_model_and_its_worker_stays(copies: tuple[Path, Path], used: str) -> None:
    async with loader_of(*copies) as loader:
        pid = (await loader.load(used)).pid
        await eventually(is_one(loader))
        for name in ("first", "second"):
            assert (loader.status(name).id, loader.status(name).pid) == ("first", pid)
            assert (await loader.load(name)).pid == pid
        assert len(own_workers()) == 1
        assert (await loader.unload("second")).state == "available"
        assert not own_workers()
        assert (await loader.load("second")).state == "loaded"
        assert loader.status("first").state == "loaded"


async def test_of_copies_that_are_both_up_each_can_be_unloaded(copies: tuple[Path, Path]) -> None:
    async with loader_of(*copies, delay=0.5) as loader:
        first, second = await loader.load("first"), await loader.load("second")
        assert first.pid != second.pid
        await eventually(lambda: loader.status("first").aliases == ("second",))
        assert {row.id: row.pid for row in loader.statuses()} == {"first": first.pid, "second": second.pid}
        assert (await loader.load("second")).pid == second.pid
        await loader.unload("second")
        assert [child.pid for child in own_workers()] == [first.pid]
        assert is_one(loader)()
        assert (await loader.load("second")).pid == first.pid


async def test_another_file_of_the_same_length_stays_another_model(copies: tuple[Path, Path]) -> None:
    path = copies[1] / "second.gguf"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    async with loader_of(*copies) as loader:
        await loader.load("first")
        await eventually(lambda: None not in [row.sha256 for row in loader.statuses()])
        assert [row.id for row in loader.statuses()] == ["first", "second"]
        assert loader.status("second").state == "available"


async def test_it_waits_for_the_first_answers_and_ends_with_the_loader(copies: tuple[Path, Path]) -> None:
    async with loader_of(*copies, delay=60) as loader:
        await loader.load("first")
        await asyncio.gather(*(loader.load("first") for _ in range(5)))
        assert [name for name in tasks() if name.startswith("checksum")] == ["checksum of first"]
        assert "sha256" not in tasks()  # nothing is read yet
    assert not [name for name in tasks() if name.startswith("checksum")]


def tasks() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks()]
