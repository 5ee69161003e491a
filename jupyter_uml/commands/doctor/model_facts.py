"""Looks for the models of this user, and asks of each whether it fits."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from jupyter_uml.commands.doctor.facts import ModelFile
from jupyter_uml.errors import UmlError
from jupyter_uml.loader.catalog.catalog import Catalog, CatalogEntry
from jupyter_uml.loader.loader import UniversalLoader
from jupyter_uml.loader.speed import SpeedRecords, default_speeds_path
from jupyter_uml.types import MemoryEstimate

LOOK_SECONDS, FIT_SECONDS = 3.0, 5.0  # on a machine that is busy with models


async def find_models(catalog: Catalog, loader: UniversalLoader | None) -> tuple[ModelFile, ...]:
    """`loader`: None, where it need not be asked whether they fit. What takes longer is left out."""
    if not await _look(catalog):
        return ()
    entries = list(catalog.entries().values())
    asked = [entry for entry in entries if entry.loadable and entry.base is None]
    tasks = {entry.id: asyncio.create_task(_fit(loader, entry)) for entry in asked if loader}
    if tasks:
        _, late = await asyncio.wait(tasks.values(), timeout=FIT_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    speeds = SpeedRecords(default_speeds_path())
    return tuple(replace(_row(entry, tasks.get(entry.id)), speed=_speed(speeds, entry)) for entry in entries)


async def _look(catalog: Catalog) -> bool:
    """Whether the models are known, though perhaps not yet what all of their files hold. A disk may hang."""
    known = False
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_SECONDS):
            await catalog.start()
            known = True
            await catalog.refresh()
    return known


async def _fit(loader: UniversalLoader, entry: CatalogEntry) -> MemoryEstimate | UmlError:
    try:
        return await loader.estimate(entry.id)
    except UmlError as error:
        return error


def _speed(speeds: SpeedRecords, entry: CatalogEntry) -> float | None:
    """Tokens a second of one answer, with the best number of threads."""
    measured = speeds.speed(entry) if entry.loadable else None
    alone = [point.tokens_per_second for point in measured.decode if point.batch == 1] if measured else []
    return max(alone, default=None)


def _row(entry: CatalogEntry, task: asyncio.Task[MemoryEstimate | UmlError] | None) -> ModelFile:
    found = task.result() if task is not None and not task.cancelled() else None
    return ModelFile(
        id=entry.id,
        source=entry.source,
        format=entry.format,
        kind=_kind(entry),
        size=entry.size_bytes,
        reason=entry.reason,
        estimate=found if isinstance(found, MemoryEstimate) else None,
        fault=found.message if isinstance(found, UmlError) else None,
        broken=entry.reason is not None and entry.facts is None,
    )


def _kind(entry: CatalogEntry) -> str:
    """A model that is whole, but not for llama.cpp, is something other."""
    if entry.facts is None:
        return "model"
    return "other" if entry.facts.kind == "model" and entry.facts.reason else entry.facts.kind
