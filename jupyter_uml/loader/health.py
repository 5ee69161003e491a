"""The health of all workers: their figures over the last hour, and the end of those that hang."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Protocol

from jupyter_uml.loader.news import News
from jupyter_uml.loader.vitals.counters import ModelCounters
from jupyter_uml.loader.vitals.gpu_memory import GpuMemory
from jupyter_uml.loader.vitals.process_reading import ProcessReader, Reading
from jupyter_uml.types import Sample

INTERVAL = 2.0  # seconds between two samples
HISTORY_SECONDS = 3600.0
MOST_HISTORIES = 64  # models whose last hour is kept
MOST_COUNTED = 256  # models that are counted by themselves
OTHERS = "_others"  # under which the rest is counted together

log = logging.getLogger(__name__)


class Watched(Protocol):
    """What of an `EngineHandle` is watched."""

    counters: ModelCounters

    @property
    def pid(self) -> int | None: ...
    @property
    def active(self) -> int: ...
    @property
    def waiting(self) -> int: ...

    def take_rate(self) -> float:
        """Tokens a second since this was asked last."""
        ...

    def check(self, reading: Reading | None) -> str | None:
        """Ask for a sign of life. Returns why the engine must be killed, or None."""
        ...

    def kill(self, why: str) -> None: ...


class HealthMonitor:
    """Takes samples while an engine is watched, the first one at once. Lives on one event loop."""

    def __init__(self, interval: float = INTERVAL, gpu: GpuMemory | None = None) -> None:
        self.interval = interval
        self.news = News()  # there are new samples
        self._gpu = gpu or GpuMemory()
        self._reader = ProcessReader()
        self._watched: dict[str, list[Watched]] = {}
        self._histories: dict[str, deque[Sample]] = {}  # the one that was watched last at the end
        self._counters: dict[str, ModelCounters] = {}
        self._newcomers: set[str] = set()  # models that have an engine of which there is no sample
        self._came = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- engines ---

    def watch(self, model_id: str, engine: Watched) -> None:
        """From now on its figures are the model's, beside those of other engines of the same model."""
        engine.counters = self._counters_of(model_id)
        self._watched.setdefault(model_id, []).append(engine)
        self._keep_history(model_id)
        self._newcomers.add(model_id)
        self._came.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="health monitor")

    def forget(self, model_id: str, engine: Watched) -> None:
        """Watch it no longer; what it had done and needed stays in counters and history. It need not be watched."""
        engines = self._watched.get(model_id, [])
        if engine in engines:
            engines.remove(engine)
        if not engines:
            self._watched.pop(model_id, None)

    @property
    def up(self) -> frozenset[str]:
        """The models with an engine."""
        return frozenset(self._watched)

    # --- figures ---

    def history(self, model_id: str) -> list[Sample]:
        """Samples of the last hour, oldest first; also of a model that has been unloaded since."""
        oldest = time.time() - HISTORY_SECONDS
        return [sample for sample in self._histories.get(model_id, ()) if sample.time >= oldest]

    def latest(self, model_id: str) -> Sample | None:
        """The newest sample of a model that has an engine."""
        samples = self._histories.get(model_id)
        return samples[-1] if samples and model_id in self._watched else None

    def newest(self) -> dict[str, Sample]:
        """The newest sample of each model that has an engine, and one by now."""
        return {model_id: sample for model_id in self._watched if (sample := self.latest(model_id)) is not None}

    def counters(self) -> Mapping[str, ModelCounters]:
        """By model; all of those beyond `MOST_COUNTED` under `OTHERS`."""
        return self._counters

    def count_load(self, model_id: str, seconds: float) -> None:
        counters = self._counters_of(model_id)
        counters.loads += 1
        counters.load.observe(seconds)

    def count_crash(self, model_id: str) -> None:
        self._counters_of(model_id).crashes += 1

    def count_eviction(self, model_id: str) -> None:
        self._counters_of(model_id).evictions += 1

    async def close(self) -> None:
        """Take no more samples."""
        self._watched.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    # --- inside ---

    def _counters_of(self, model_id: str) -> ModelCounters:
        if model_id not in self._counters and len(self._counters) >= MOST_COUNTED:
            model_id = OTHERS
        return self._counters.setdefault(model_id, ModelCounters())

    def _keep_history(self, model_id: str) -> None:
        if (history := self._histories.pop(model_id, None)) is None:
            history = deque(maxlen=int(HISTORY_SECONDS / self.interval))
        self._histories[model_id] = history
        unwatched = [each for each in self._histories if each not in self._watched]
        for each in unwatched[: max(0, len(self._histories) - MOST_HISTORIES)]:
            del self._histories[each]

    async def _run(self) -> None:
        looked = time.monotonic()
        while self._watched:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, looked + self.interval - time.monotonic())):
                    await self._came.wait()
            is_time = time.monotonic() >= looked + self.interval
            models = set(self._watched) if is_time else self._newcomers
            self._newcomers = set()
            self._came.clear()
            try:
                await self._look(models)
                self.news.tell()
            except Exception:  # what is wrong with one look must not end all of them
                log.exception("the workers' figures could not be read")
            looked = time.monotonic() if is_time else looked

    async def _look(self, models: Collection[str]) -> None:
        """At newcomers by themselves: the speed of others over a moment would say nothing."""
        pids = [engine.pid for engines in self._watched.values() for engine in engines if engine.pid is not None]
        self._gpu.refresh()
        readings = await asyncio.to_thread(self._reader.read, pids)
        for model_id, engines in [each for each in self._watched.items() if each[0] in models]:
            for engine in list(engines):
                if (why := engine.check(readings.get(engine.pid or 0))) is not None:
                    log.warning("the worker of %s (pid %s) is killed: %s", model_id, engine.pid, why)
                    engine.kill(why)
            if engines:
                self._histories[model_id].append(self._sample(engines, readings))

    def _sample(self, engines: list[Watched], readings: Mapping[int, Reading]) -> Sample:
        pids = [engine.pid for engine in engines if engine.pid is not None]
        known = [readings[pid] for pid in pids if pid in readings]
        on_gpu = [used for pid in pids if (used := self._gpu.of(pid)) is not None]
        return Sample(
            time=time.time(),
            memory_bytes=sum(reading.resident for reading in known),
            gpu_memory_bytes=sum(on_gpu) if on_gpu else None,
            cpu_percent=sum(reading.cpu_percent for reading in known),
            tokens_per_second=sum(engine.take_rate() for engine in engines),
            active=sum(engine.active for engine in engines),
            waiting=sum(engine.waiting for engine in engines),
            first_token=engines[0].counters.take_first_token(),
        )
