"""Puts the facts together: all that takes time at once, nothing waited for without a deadline."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jupyter_uml.commands.doctor.card_facts import find_cards
from jupyter_uml.commands.doctor.facts import Facts, ModelFile
from jupyter_uml.commands.doctor.folder_facts import find_folders
from jupyter_uml.commands.doctor.installation_facts import installation
from jupyter_uml.commands.doctor.machine_facts import limits, memory, processor, swapped_in
from jupyter_uml.commands.doctor.model_facts import find_models
from jupyter_uml.commands.doctor.server_facts import find_servers, find_workers
from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.loader import UniversalLoader
from jupyter_uml.loader.memory.build import Build, find_build
from jupyter_uml.loader.memory.gpus import find_gpus
from jupyter_uml.loader.memory.ledger import GpuReading, Ledger
from jupyter_uml.loader.memory.machine import Gpu

BUILD_SECONDS, GPU_SECONDS = 3.0, 3.0  # a driver that takes longer has something wrong with it


async def gather(catalog: Catalog, loader: UniversalLoader, folders: Sequence[Path], limit: int | None) -> Facts:
    """Takes a second or two. `limit`: bytes that all models of a server may take, as configured; None: not limited."""
    began, swapped = time.monotonic(), swapped_in()
    (build, gpus, models), found_folders, servers, workers, installed = await asyncio.gather(
        _llama(catalog, loader),
        asyncio.to_thread(find_folders, folders),
        find_servers(),
        asyncio.to_thread(find_workers),
        asyncio.to_thread(installation),
    )
    machine = await Ledger(limit=limit).machine(reading=GpuReading(gpus, time.time()))
    rate = (swapped_in() - swapped) / max(0.1, time.monotonic() - began)
    return Facts(
        system=sys.platform,
        processor=processor(),
        memory=replace(memory(rate), configured=limit),
        limits=limits(),
        cards=find_cards(),
        gpus=gpus,
        build=build,
        folders=found_folders,
        models=models,
        installation=installed,
        machine=machine,
        servers=servers,
        workers=workers,
    )


async def _llama(catalog: Catalog, loader: UniversalLoader) -> tuple[Build, tuple[Gpu, ...], tuple[ModelFile, ...]]:
    """Whether models fit is asked only of a llama.cpp that answers: one that hangs would be waited for."""
    build = await asyncio.to_thread(find_build, seconds=BUILD_SECONDS)
    if build.fault is not None:
        return build, (), await find_models(catalog, None)
    gpus = await asyncio.to_thread(find_gpus, seconds=GPU_SECONDS) if build.gpu else ()
    return build, gpus, await find_models(catalog, loader)
