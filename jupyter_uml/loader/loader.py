"""The one place that decides which models are up. Every caller, in whatever notebook, shares what is loaded here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, field, replace

from jupyter_uml.errors import (
    GenerationAborted,
    InsufficientMemory,
    InvalidRequest,
    ModelBusy,
    ModelLoadFailed,
    ModelRestarting,
    UmlError,
)
from jupyter_uml.loader.catalog import Catalog, CatalogEntry
from jupyter_uml.loader.fit import available_memory, default_threads
from jupyter_uml.loader.handle import EngineHandle, WorkerEngine
from jupyter_uml.types import EffectiveSettings, LoadSettings, ModelSpec, ModelState, ModelStatus

DRAIN_SECONDS = 30.0
RESTART_WAIT = 20.0  # how long a request waits for a model that is coming back
CRASHES, CRASH_WINDOW = 3, 60.0  # so many crashes within so many seconds open the breaker

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Managed:
    """A model that somebody asked for, and where it stands."""

    entry: CatalogEntry
    state: ModelState = "available"
    asked: LoadSettings = field(default_factory=LoadSettings)
    engine: EngineHandle | None = None
    task: asyncio.Task[None] | None = None  # the load under way, shared by all who wait for it
    progress: float | None = None
    error: UmlError | None = None
    failed_file: tuple[int, int] | None = None  # identity of the file that could not be loaded
    crashes: deque[float] = field(default_factory=lambda: deque(maxlen=CRASHES))
    closing: asyncio.Lock = field(default_factory=asyncio.Lock)


class UniversalLoader:
    """Loads each model once for any number of callers. Lives on one event loop."""

    def __init__(self, catalog: Catalog | None = None) -> None:
        self.catalog = catalog or Catalog()
        self._models: dict[str, _Managed] = {}

    # --- looking ---

    def statuses(self) -> list[ModelStatus]:
        """Every model of the catalog, and those that are loaded though their file is gone."""
        entries = self.catalog.entries()
        gone = [m.entry for key, m in self._models.items() if key not in entries and m.state != "available"]
        return [self._status(entry) for entry in [*entries.values(), *gone]]

    def status(self, model_id: str) -> ModelStatus:
        managed = self._models.get(model_id)
        return self._status(managed.entry if managed and managed.engine else self.catalog.get(model_id))

    # --- loading ---

    async def load(self, model_id: str, settings: LoadSettings | None = None, *, wait: bool = True) -> ModelStatus:
        """Load a model, or find it loaded. One load serves all callers; with `wait` false it only begins.

        A loaded model that runs with other settings than those asked for is drained and loaded again.

        Raises:
            ModelNotFound, ModelLoadFailed, InsufficientMemory, InvalidRequest: why it cannot be.
            ModelBusy: it is being unloaded.
        """
        settings = settings or LoadSettings()
        managed = self._managed(model_id)
        while managed.task is not None:
            if not wait:
                return self._status(managed.entry)
            await asyncio.shield(managed.task)
            if managed.error is not None and managed.asked == settings:
                raise managed.error
        if managed.state == "unloading":
            raise ModelBusy(f"{model_id} is being unloaded. Try again when it is done.", retry_after=2)
        if managed.engine is not None and not _satisfied(managed.engine.settings, settings):
            _check_context(managed.engine, settings)  # before what runs well is given up for it
            await self.unload(model_id)
        if managed.engine is None and managed.task is None:
            self._begin(managed, settings, "loading")
        if managed.task is not None and wait:
            await asyncio.shield(managed.task)
            if managed.error is not None:
                raise managed.error
        return self._status(managed.entry)

    async def engine(self, model_id: str) -> EngineHandle:
        """The engine of a model, loaded just in time.

        Raises:
            ModelRestarting: it crashed and is not back in time, or crashes again and again.
            UmlError: as `load`.
        """
        managed = self._managed(model_id)
        if managed.state == "restarting":
            await self._restarted(managed)
        self._check_known_failure(managed)
        if managed.state != "loaded":
            await self.load(model_id)
        if managed.engine is None:  # unloaded again while we waited
            raise ModelBusy(f"{model_id} was unloaded meanwhile. Send the request again.", retry_after=1)
        return managed.engine

    async def unload(self, model_id: str, *, force: bool = False) -> ModelStatus:
        """Unload a model; its worker is gone and its memory free on return. Answers under way may finish first.

        With `force`, or after `DRAIN_SECONDS`, they end with `GenerationAborted`.
        """
        managed = self._managed(model_id)
        if managed.state in ("loading", "restarting") and managed.task is not None:
            managed.task.cancel()
            await asyncio.wait([managed.task])
        if managed.engine is None:
            managed.state, managed.error, managed.failed_file = "available", None, None
            return self._status(managed.entry)
        managed.state = "unloading"
        await self._drain(managed.engine, GenerationAborted(f"{model_id} was unloaded."), force)
        async with managed.closing:
            if managed.engine is not None:
                await managed.engine.close()
                managed.engine, managed.state, managed.error = None, "available", None
        return self._status(managed.entry)

    async def close(self) -> None:
        """End every worker at once."""
        await asyncio.gather(*(self.unload(model_id, force=True) for model_id in list(self._models)))

    # --- inside ---

    def _managed(self, model_id: str) -> _Managed:
        managed = self._models.get(model_id)
        if managed is None or (managed.engine is None and managed.task is None):
            entry = self.catalog.get(model_id)
            if managed is None:
                managed = self._models[model_id] = _Managed(entry)
            managed.entry = entry
        return managed

    def _begin(self, managed: _Managed, settings: LoadSettings, state: ModelState) -> None:
        managed.state, managed.asked, managed.progress, managed.error = state, settings, 0.0, None
        managed.task = asyncio.create_task(self._load(managed), name=f"load {managed.entry.id}")

    async def _load(self, managed: _Managed) -> None:
        """Never raises: whoever waits finds `error`."""
        started = time.monotonic()
        try:
            managed.engine = await self._start_engine(managed)
            managed.state, managed.failed_file = "loaded", None
            log.info("loaded %s in %.1f s (pid %s)", managed.entry.id, time.monotonic() - started, managed.engine.pid)
        except asyncio.CancelledError:
            managed.state = "available"
            managed.error = GenerationAborted(f"{managed.entry.id} was unloaded while it was loading.")
        except UmlError as error:
            managed.state, managed.error, managed.failed_file = "failed", error, _identity(managed.entry)
            log.warning("%s", error)
        finally:
            managed.task, managed.progress = None, None

    async def _start_engine(self, managed: _Managed) -> EngineHandle:
        entry, available = managed.entry, available_memory()
        if _identity(entry) is None:
            raise ModelLoadFailed(f"The file of {entry.id} is gone or cannot be read.")
        if entry.size_bytes > available:
            raise InsufficientMemory(entry.id, entry.size_bytes, available)
        threads = managed.asked.n_threads or default_threads(entry.size_bytes)
        spec = ModelSpec(entry.id, str(entry.path), replace(managed.asked, n_threads=threads), available)

        def on_progress(fraction: float) -> None:
            managed.progress = fraction

        return await WorkerEngine.start(spec, on_progress, lambda: self._on_death(managed))

    def _on_death(self, managed: _Managed) -> None:
        """The worker ended by itself: bring it back, unless it keeps dying."""
        if managed.state == "unloading" or managed.engine is None:
            return
        now = time.monotonic()
        log.warning("the worker of %s (pid %s) died", managed.entry.id, managed.engine.pid)
        managed.engine = None
        managed.crashes.append(now)
        if len(managed.crashes) == CRASHES and now - managed.crashes[0] < CRASH_WINDOW:
            managed.state = "failed"
            managed.error = ModelRestarting(
                f"{managed.entry.id} crashed {CRASHES} times within {CRASH_WINDOW:.0f} s and is left alone now. "
                "Load it again to try at once.",
                retry_after=CRASH_WINDOW,
            )
            return
        self._begin(managed, managed.asked, "restarting")

    @staticmethod
    async def _drain(engine: EngineHandle, reason: GenerationAborted, force: bool) -> None:
        if force:
            engine.fail_all(reason)
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await engine.drained()
        except TimeoutError:
            engine.fail_all(reason)

    async def _restarted(self, managed: _Managed) -> None:
        if managed.task is not None:
            await asyncio.wait([managed.task], timeout=RESTART_WAIT)
        if managed.state == "restarting":
            raise ModelRestarting(f"{managed.entry.id} is being started again.", retry_after=2)

    def _check_known_failure(self, managed: _Managed) -> None:
        """Don't start a worker for every request of a client that keeps asking for a model that cannot load."""
        if managed.state != "failed" or managed.error is None:
            return
        if isinstance(managed.error, ModelRestarting):
            if time.monotonic() - managed.crashes[-1] < CRASH_WINDOW:
                raise managed.error
        elif isinstance(managed.error, ModelLoadFailed) and managed.failed_file == _identity(managed.entry):
            raise managed.error

    def _status(self, entry: CatalogEntry) -> ModelStatus:
        managed = self._models.get(entry.id)
        row = ModelStatus(entry.id, "available", entry.size_bytes, entry.source)
        if managed is None:
            return row
        row = replace(
            row,
            state=managed.state,
            progress=managed.progress,
            error=managed.error.to_dict() if managed.error and managed.state == "failed" else None,
        )
        if (engine := managed.engine) is None:
            return row
        return replace(
            row,
            pid=engine.pid,
            memory_bytes=engine.memory_bytes,
            active=engine.active,
            tokens_per_second=engine.tokens_per_second,
            settings=engine.settings,
            info=engine.info,
        )


def _satisfied(running: EffectiveSettings, asked: LoadSettings) -> bool:
    """Whether a running engine gives what is asked for; a longer context than asked for is good enough."""
    wanted = asked.asked()
    if wanted.pop("n_ctx", 0) > running.n_ctx or wanted.pop("n_parallel", 0) > running.n_parallel:
        return False
    return all(getattr(running, name) == value for name, value in wanted.items())


def _check_context(engine: EngineHandle, asked: LoadSettings) -> None:
    if asked.n_ctx is not None and asked.n_ctx > engine.info.n_ctx_train:
        raise InvalidRequest(
            f"The model was trained for a context of {engine.info.n_ctx_train} tokens, not {asked.n_ctx}.",
            param="n_ctx",
        )


def _identity(entry: CatalogEntry) -> tuple[int, int] | None:
    try:
        stat = entry.path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns
