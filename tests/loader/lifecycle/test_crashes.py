"""Workers that die while they load: the breaker counts these deaths, too."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from jupyter_uml.errors import ModelLoadFailed
from jupyter_uml.loader import UniversalLoader
from jupyter_uml.loader.lifecycle import crashes
from tests.loader.cases import eventually, own_workers
from tests.loader.lifecycle.stage import PLAIN, Asked, staged

pytestmark = pytest.mark.anyio


async def killed_while_it_loads(loader: UniversalLoader) -> None:
    asked = Asked(loader, "ann")
    await eventually(lambda: bool(own_workers()))
    own_workers()[0].kill()
    await asyncio.wait([asked.task])
    assert isinstance(asked.error, ModelLoadFailed)


async def test_a_worker_that_never_survives_its_load_is_not_started_for_each_request(trio: Path) -> None:
    async with staged(trio) as loader:
        for _ in range(crashes.MOST):
            await killed_while_it_loads(loader)
        assert loader.monitor.counters()["ann"].crashes == crashes.MOST
        loads = asyncio.create_task(eventually(lambda: bool(own_workers()), 1.0))
        asked = Asked(loader, "ann")
        await asked.ended(1)
        assert isinstance(asked.error, ModelLoadFailed)
        assert "SIGKILL" in asked.error.message
        with pytest.raises(TimeoutError):
            await loads
        assert (await loader.load("ann", PLAIN)).state == "loaded", "whoever loads it tries at once"
        await Asked(loader, "ann").answered()
