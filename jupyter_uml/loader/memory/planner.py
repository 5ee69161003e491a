"""How a model is loaded here: what is wished for, over what is usual for it, within the memory that there is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from jupyter_uml.errors import InsufficientMemory, InvalidRequest, ModelLoadFailed
from jupyter_uml.loader.catalog.catalog import Catalog, CatalogEntry
from jupyter_uml.loader.memory.claims import false_claim
from jupyter_uml.loader.memory.companions import Finder, ModelSet
from jupyter_uml.loader.memory.compute import SMALLEST_BATCH, batch_tokens
from jupyter_uml.loader.memory.estimate import Estimate
from jupyter_uml.loader.memory.fit import Fit, default_threads, fit
from jupyter_uml.loader.memory.gpus import find_gpus
from jupyter_uml.loader.memory.ledger import GpuReading, Ledger, Need, Promise
from jupyter_uml.loader.memory.machine import Machine, peak_resident
from jupyter_uml.loader.memory.model import uses_flash
from jupyter_uml.loader.memory.record import Experience, MemoryRecords, place_of, record_of, says_something
from jupyter_uml.loader.memory.shape import ModelShape, shape_of
from jupyter_uml.loader.speed import advised
from jupyter_uml.types import CacheSettings, EffectiveSettings, LoadSettings, MemoryEstimate, MemoryPart, ModelSpec

GPU_SECONDS = 60.0  # how old a reading of free GPU memory may be for a forecast
GPU_SECONDS_DECIDING = 2.0
# The bound on a worker's own memory is for leaks and hostile files, and must never be what ends one that only takes
# somewhat more than was estimated, such as the second context of a model that writes and embeds.
LIMIT_FACTOR, LIMIT_BYTES = 2, 1 << 30
_KEPT = {"cache", "projector"}  # what grows with what is asked of a model


class Speeds(Protocol):
    """What is known of a model's speed on this machine."""

    def advice(self, entry: CatalogEntry) -> LoadSettings:
        """Only `n_threads`, `n_threads_batch` and `n_batch` are set, where measuring has shown what is best."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model would be loaded now. `wishes`: what was asked for, over what its profile asks for.

    `fit`: how far that can be had. `spec`: what the worker is told; each field of its settings is decided.
    """

    entry: CatalogEntry
    wishes: LoadSettings
    fit: Fit
    spec: ModelSpec
    architecture: str
    place: str  # machine and build, as of a `MemoryRecord`

    @property
    def need(self) -> Need:
        """What has to be promised for it."""
        estimate = self.fit.estimate
        mapped = sum(part.ram - part.idle for part in estimate.parts if part.name == "weights")
        return Need(estimate.ram, estimate.gpu, min(mapped, estimate.ram), _file(self.entry))


class Planner:
    """Lives on one event loop. `cache`: asked at each plan where and how much a worker may cache.

    `records`: what models took before; `speeds`: how fast they were. `limit`: bytes of RAM that all models of this
    server together may take, None: as much as the machine has; a `ledger` of one's own brings its own.
    """

    def __init__(
        self,
        catalog: Catalog,
        cache: Callable[[], CacheSettings] = CacheSettings,
        *,
        records: MemoryRecords | None = None,
        speeds: Speeds | None = None,
        ledger: Ledger | None = None,
        limit: int | None = None,
    ) -> None:
        self._ledger = ledger or Ledger(limit=limit)
        self._cache, self._records, self._speeds = cache, records, speeds
        self._finder = Finder(catalog)
        self._gpus: GpuReading | None = None
        self._asking_gpus, self._learning = asyncio.Lock(), asyncio.Lock()
        self._is_deciding = False

    async def start(self) -> None:
        """Ask for the GPUs now; else the first plan waits for that, a second or so."""
        await self._gpu_reading()

    async def close(self) -> None:
        """Nothing is read any more, and nothing that was promised counts."""
        await self._finder.close()
        await self._ledger.close()

    async def plan(self, entry: CatalogEntry, wishes: LoadSettings, leaving: Collection[int] = ()) -> Plan:
        """The best way to load it once the workers `leaving` (pids, of this server) have ended.

        It may not be as wished, or not fit at all: `plan.fit` tells, and `insufficient` makes the error. Takes
        milliseconds where the model's header has been read lately.

        Raises:
            ModelLoadFailed: a file is broken, gone or cannot be read now.
            InvalidRequest: a longer context than the model was made for, or a companion that cannot be used.
        """
        wishes = wishes.over(entry.defaults.settings if entry.defaults else None)
        files = await self._finder.find(entry, wishes)
        _check(entry, files, wishes)
        machine = await self._ledger.machine(leaving, await self._gpu_reading(), _file(entry))
        return await asyncio.to_thread(self._planned, entry, wishes, files, machine)

    @asynccontextmanager
    async def deciding(self) -> AsyncGenerator[None, None]:
        """Only one server of this machine at a time plans and promises; else two would count on the same memory."""
        async with self._ledger.deciding():
            self._is_deciding = True
            try:
                yield
            finally:
                self._is_deciding = False

    def promise(self, plan: Plan) -> Promise:
        """Let its memory count as taken, from now until `release` or the end of the worker."""
        return self._ledger.promise(plan.entry.base or plan.entry.id, plan.need)

    def insufficient(self, plan: Plan) -> InsufficientMemory:
        return InsufficientMemory(plan.entry.id, plan.fit.needed, plan.fit.available)

    def estimate(self, plan: Plan) -> MemoryEstimate:
        """The plan as it is told to people, without saying who would have to make room."""
        found = plan.fit
        return MemoryEstimate(
            model=plan.entry.id,
            verdict=found.verdict,
            fits=found.fits,
            as_wished=found.as_wished,
            settings=found.settings,
            needed_bytes=found.needed,
            available_bytes=found.available,
            largest_context=found.largest_context,
            parts=tuple(_told(found.estimate)),
            wished_parts=tuple(_told(found.wished)),
        )

    async def learn(self, plan: Plan, pid: int, *, filled: bool) -> None:
        """Note what the worker has taken at most, for later estimates. `filled`: its context was full at some time.

        The sooner after that the better: prompts and images that are kept from then on blur the figure.
        """
        if self._records is not None:
            async with self._learning:
                await asyncio.to_thread(_learn, self._records, plan, pid, filled)

    # --- inside ---

    async def _gpu_reading(self) -> GpuReading:
        """Others use GPUs, too, and nobody tells when: what they leave free is asked for anew before it is decided on.

        Where there were no GPUs at first there will be none.
        """
        async with self._asking_gpus:
            most = GPU_SECONDS_DECIDING if self._is_deciding else GPU_SECONDS
            known, now = self._gpus, time.time()
            if known is None or (known.gpus and now - known.time > most):
                known = self._gpus = GpuReading(await asyncio.to_thread(find_gpus), now)
            return known

    def _planned(self, entry: CatalogEntry, wishes: LoadSettings, files: ModelSet, machine: Machine) -> Plan:
        """Some milliseconds of computing, and a small file."""
        shape, place = shape_of(files.model), place_of(machine)
        architecture, advised_wishes = shape.architecture, self._advised(entry, wishes)
        known = self._records.experience(architecture, place) if self._records else Experience()
        cache = self._cache()
        companions = replace(files.companions, cache_bytes=cache.ram_bytes)
        found = fit(files.model, machine, advised_wishes, companions, known)
        if wishes.n_batch is None and found.settings.n_batch > _usual_batch(shape, found.settings):
            # It was measured with a shorter context: it must not take memory from this one.
            found = fit(files.model, machine, replace(advised_wishes, n_batch=None), companions, known)
        cache = replace(cache, ram_bytes=found.cache_bytes)
        spec = ModelSpec(
            id=entry.id,
            path=str(entry.path),
            settings=LoadSettings(**{name: getattr(found.settings, name) for name in asdict(found.settings)}),
            memory_limit=None if machine.gpus else LIMIT_FACTOR * found.estimate.ram + LIMIT_BYTES,
            cache=cache,
            lora=files.lora,
            draft_path=str(files.draft_path) if files.draft_path else None,
            projector_path=str(files.projector_path) if files.projector_path else None,
        )
        return Plan(entry, wishes, found, spec, architecture, place)

    def _advised(self, entry: CatalogEntry, wishes: LoadSettings) -> LoadSettings:
        """What was not wished for as it was measured to be fastest, or as many threads as are usual."""
        advice = self._speeds.advice(entry) if self._speeds else LoadSettings()
        if advice.n_batch is not None and advice.n_batch < _least_batch(wishes):
            advice = replace(advice, n_batch=None)
        return advised(advice, wishes).over(LoadSettings(n_threads=default_threads(entry.size_bytes)))


def _check(entry: CatalogEntry, files: ModelSet, wishes: LoadSettings) -> None:
    """
    Raises:
        ModelLoadFailed: what its file says cannot be.
        InvalidRequest: settings that this model cannot run with, whatever memory there is.
    """
    if claim := false_claim(files.model):
        raise ModelLoadFailed(f"{entry.id} cannot be loaded: {claim}")
    draft = files.companions.draft
    if draft is not None and (claim := false_claim(draft)):
        raise InvalidRequest(f"{wishes.draft_model} cannot be loaded: {claim}", param="draft_model")
    trained = shape_of(files.model).n_ctx_train
    if wishes.n_ctx is not None and 0 < trained < wishes.n_ctx:
        raise InvalidRequest(
            f"{entry.id} was trained for a context of {trained} tokens; n_ctx {wishes.n_ctx} would give garbage. "
            f"Ask for {trained} or less.",
            param="n_ctx",
        )
    if wishes.n_batch is not None and wishes.n_batch < (least := _least_batch(wishes)):
        raise InvalidRequest(f"n_batch must be {least} or more, not {wishes.n_batch}.", param="n_batch")


def _usual_batch(shape: ModelShape, settings: EffectiveSettings) -> int:
    return batch_tokens(shape, replace(settings, n_batch=0), uses_flash(settings))


def _least_batch(wishes: LoadSettings) -> int:
    """Tokens: one of every sequence has to have room."""
    return max(SMALLEST_BATCH, wishes.n_parallel or 1)


def _told(estimate: Estimate) -> Iterator[MemoryPart]:
    for part in estimate.parts:
        yield MemoryPart(part.name, part.ram + part.later - part.idle, part.gpu, needed=part.name != "cache")
    if estimate.correction:
        yield MemoryPart("learned", estimate.correction)


def _file(entry: CatalogEntry) -> str:
    """Tells the file whose pages are shared by all who map it."""
    identity = entry.files[0].identity
    return f"{identity.device}:{identity.inode}"


def _learn(records: MemoryRecords, plan: Plan, pid: int, filled: bool) -> None:
    measured, estimate = peak_resident(pid), plan.fit.estimate
    if measured is None:
        return
    beyond = min(max(0, measured - estimate.peak), sum(part.later for part in estimate.parts if part.name in _KEPT))
    if beyond and measured - beyond == estimate.peak:
        return  # who knows how much of it was kept?
    if says_something(estimate, measured - beyond, filled=filled):
        records.add(record_of(plan.architecture, plan.place, estimate, measured - beyond))
