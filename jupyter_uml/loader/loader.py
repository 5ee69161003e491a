"""The one place that decides which models are up. Every caller, in whatever notebook, shares what is loaded here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from jupyter_uml.errors import (
    EngineError,
    GenerationAborted,
    InsufficientMemory,
    InvalidRequest,
    ModelBusy,
    ModelLoadFailed,
    ModelNotFound,
    ModelRestarting,
    UmlError,
)
from jupyter_uml.loader.catalog.catalog import Catalog, CatalogEntry
from jupyter_uml.loader.handle import EngineHandle, WorkerEngine
from jupyter_uml.loader.memory.fit import available_memory, default_threads
from jupyter_uml.types import (
    CacheSettings,
    EffectiveSettings,
    LoadSettings,
    LoraFile,
    ModelSpec,
    ModelState,
    ModelStatus,
)

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
    loading: asyncio.Task[None] | None = None  # shared by all who wait for it
    ending: asyncio.Task[None] | None = None  # likewise
    reloading: bool = False  # it ends only to be loaded again with other settings
    progress: float | None = None
    error: UmlError | None = None  # why the last load failed
    bad_file: tuple[int, int] | None = None  # identity of the file that llama.cpp found wanting
    crashes: deque[float] = field(default_factory=lambda: deque(maxlen=CRASHES))

    @property
    def up(self) -> bool:
        """Whether there is a worker, or one to come."""
        return self.engine is not None or self.loading is not None


class UniversalLoader:
    """Loads each model once for any number of callers. Lives on one event loop.

    Loading and ending run in tasks of their own: a caller that is cancelled while it waits changes nothing.
    """

    def __init__(self, catalog: Catalog | None = None, cache: Callable[[], CacheSettings] = CacheSettings) -> None:
        """`cache`: asked at each load where and how much a worker may cache."""
        self.catalog = catalog or Catalog()
        self._cache = cache
        self._models: dict[str, _Managed] = {}
        self._begun: set[asyncio.Task[ModelStatus]] = set()  # loads that nobody waits for
        self._closed = False

    # --- looking ---

    def statuses(self) -> list[ModelStatus]:
        """Every model of the catalog, and those that are up though their file is gone."""
        entries = self.catalog.entries()
        gone = [managed.entry for key, managed in self._models.items() if key not in entries and managed.up]
        return [self._status(entry) for entry in [*entries.values(), *gone]]

    def status(self, model_id: str) -> ModelStatus:
        managed = self._models.get(model_id)
        return self._status(managed.entry if managed and managed.up else self.catalog.get(model_id))

    # --- loading ---

    async def load(self, model_id: str, settings: LoadSettings | None = None, *, wait: bool = True) -> ModelStatus:
        """Load a model, or find it loaded. One load serves all callers; with `wait` false it only begins.

        A loaded model that runs with other settings than those asked for is drained and loaded again.

        Raises:
            ModelNotFound, ModelLoadFailed, InsufficientMemory, InvalidRequest: why it cannot be.
            ModelBusy: it is being unloaded.
        """
        settings = settings or LoadSettings()
        _check_bounds(settings)
        if not wait:
            return await self._begin_unwatched(model_id, settings)
        while True:
            managed = self._managed(model_id)
            if managed.loading is not None:
                shared = managed.asked == settings
                await asyncio.wait([managed.loading])
                if managed.error is not None and shared:
                    raise managed.error.copy()
            elif managed.ending is not None:
                if not managed.reloading:
                    raise ModelBusy(f"{model_id} is being unloaded. Try again when it is done.", retry_after=2)
                await asyncio.shield(managed.ending)
            elif managed.engine is None:
                self._begin(managed, settings, "loading")
            elif _satisfied(managed.engine.settings, settings):
                return self._status(managed.entry)
            else:
                _check_context(managed.engine, settings)  # before what runs well is given up for it
                managed.reloading = True
                await asyncio.shield(self._end(managed))

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
        if managed.engine is None or managed.ending is not None:
            await self.load(model_id, managed.asked)
            managed = self._managed(model_id)
        if managed.engine is None:  # unloaded again while we waited
            raise ModelBusy(f"{model_id} was unloaded meanwhile. Send the request again.", retry_after=1)
        return managed.engine

    async def unload(self, model_id: str, *, force: bool = False) -> ModelStatus:
        """Unload a model; its worker is gone and its memory free on return. Answers under way may finish first.

        With `force`, or after `DRAIN_SECONDS`, they end with `GenerationAborted`.
        """
        managed = self._managed(model_id)
        await self._end_one(managed, GenerationAborted(f"{model_id} was unloaded.") if force else None)
        if not managed.up:  # else somebody has begun to load it again
            managed.state, managed.error, managed.bad_file = "available", None, None
            managed.asked = LoadSettings()
        return self._status(managed.entry)

    async def close(self) -> None:
        """End every worker at once; nothing can be loaded any more."""
        self._closed = True
        for task in self._begun:
            task.cancel()
        stopping = GenerationAborted("The server is stopping.")
        ends = (self._end_one(managed, stopping) for managed in self._models.values())
        await asyncio.gather(*ends, return_exceptions=True)

    # --- inside ---

    async def _begin_unwatched(self, model_id: str, settings: LoadSettings) -> ModelStatus:
        """Begin a load that nobody waits for; how it ends stands in the model's status."""
        self._managed(model_id)  # an unknown model is told at once
        task = asyncio.create_task(self.load(model_id, settings), name=f"begin {model_id}")
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.sleep(0)  # lets it begin
        if task.done() and (error := task.exception()) is not None:
            raise error
        return self.status(model_id)

    def _managed(self, model_id: str) -> _Managed:
        managed = self._models.get(model_id)
        if managed is not None and managed.up:
            return managed
        try:
            entry = self.catalog.get(model_id)
        except ModelNotFound:
            self._models.pop(model_id, None)
            raise
        managed = self._models.setdefault(model_id, _Managed(entry))
        managed.entry = entry
        return managed

    def _begin(self, managed: _Managed, settings: LoadSettings, state: ModelState) -> None:
        if self._closed:
            raise GenerationAborted("The server is stopping.")
        managed.state, managed.asked, managed.progress, managed.error = state, settings, 0.0, None
        managed.loading = asyncio.create_task(self._load(managed, settings), name=f"load {managed.entry.id}")
        # Before any waiter's callback, and also when the task is cancelled before it begins.
        managed.loading.add_done_callback(lambda task: self._loaded(managed, task))

    def _loaded(self, managed: _Managed, task: asyncio.Task[None]) -> None:
        managed.loading, managed.progress = None, None
        if task.cancelled():
            managed.state = "available"
            managed.error = GenerationAborted(f"{managed.entry.id} was unloaded while it was loading.")
        elif (error := task.exception()) is None:
            managed.state, managed.bad_file = "loaded", None
        else:
            managed.state = "failed"
            if isinstance(error, UmlError):
                managed.error = error.copy()
                log.warning("%s", error)
            else:
                managed.error = EngineError(f"{managed.entry.id} could not be started. The server's log says why.")
                log.error("loading %s failed", managed.entry.id, exc_info=error)

    async def _load(self, managed: _Managed, settings: LoadSettings) -> None:
        started = time.monotonic()
        entry, available = managed.entry, available_memory()
        identity = _identity(entry)
        if identity is None:
            raise ModelLoadFailed(f"The file of {entry.id} is gone or cannot be read.")
        threads = settings.n_threads or default_threads(entry.size_bytes)
        spec = self._spec(entry, replace(settings, n_threads=threads), available)

        def on_progress(fraction: float) -> None:
            managed.progress = fraction

        try:
            managed.engine = await WorkerEngine.start(spec, on_progress, lambda tail: self._on_death(managed, tail))
        except ModelLoadFailed as error:
            if error.retry_after is None:
                managed.bad_file = identity
            raise
        log.info("loaded %s in %.1f s (pid %s)", entry.id, time.monotonic() - started, managed.engine.pid)

    def _spec(self, entry: CatalogEntry, settings: LoadSettings, available: int) -> ModelSpec:
        """All that the worker needs to know; what belongs to the model is looked up among the catalog's files, too."""
        draft = self.catalog.get(settings.draft_model) if settings.draft_model else None
        beside = entry.projector_bytes + (draft.size_bytes if draft else 0)
        if entry.size_bytes + beside > available:
            raise InsufficientMemory(entry.id, entry.size_bytes + beside, available)
        return ModelSpec(
            entry.id,
            str(entry.path),
            settings,
            available - beside,
            self._cache(),
            tuple(LoraFile(lora.id, str(self.catalog.get(lora.id).path), lora.scale) for lora in settings.lora or ()),
            str(draft.path) if draft else None,
            str(entry.projector) if entry.projector else None,
        )

    async def _end_one(self, managed: _Managed, reason: GenerationAborted | None) -> None:
        """Call off the load or end the worker; with a `reason` without waiting for answers under way."""
        if managed.loading is not None:
            if not managed.loading.cancelling():  # a second time would interrupt its clean-up
                managed.loading.cancel()
            await asyncio.wait([managed.loading])
        if managed.engine is not None:
            if reason is not None:
                managed.engine.fail_all(reason)
            await asyncio.shield(self._end(managed))

    def _end(self, managed: _Managed) -> asyncio.Task[None]:
        """The one task that drains and ends this model's worker."""
        if managed.ending is None:
            assert managed.engine is not None
            managed.state = "unloading"
            managed.ending = asyncio.create_task(self._drain(managed, managed.engine))
        return managed.ending

    @staticmethod
    async def _drain(managed: _Managed, engine: EngineHandle) -> None:
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await engine.drained()
        except TimeoutError:
            engine.fail_all(GenerationAborted(f"{managed.entry.id} was unloaded."))
        try:
            await engine.close()
        finally:
            managed.engine, managed.ending, managed.reloading, managed.state = None, None, False, "available"

    def _on_death(self, managed: _Managed, log_tail: str) -> None:
        """The worker ended by itself: bring it back, unless it keeps dying."""
        if managed.ending is not None or managed.engine is None or self._closed:
            return
        now = time.monotonic()
        log.warning("the worker of %s (pid %s) died. Its log:\n%s", managed.entry.id, managed.engine.pid, log_tail)
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

    async def _restarted(self, managed: _Managed) -> None:
        if managed.loading is not None:
            await asyncio.wait([managed.loading], timeout=RESTART_WAIT)
        if managed.state == "restarting":
            raise ModelRestarting(f"{managed.entry.id} is being started again.", retry_after=2)

    def _check_known_failure(self, managed: _Managed) -> None:
        """Don't start a worker for every request of a client that keeps asking for a model that cannot load."""
        if managed.state != "failed" or managed.error is None:
            return
        if isinstance(managed.error, ModelRestarting):
            if time.monotonic() - managed.crashes[-1] < CRASH_WINDOW:
                raise managed.error.copy()
        elif managed.bad_file is not None and managed.bad_file == _identity(managed.entry):
            raise managed.error.copy()

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
    wanted, given = asked.asked(), asdict(running)
    if wanted.pop("n_ctx", 0) > running.n_ctx or wanted.pop("n_parallel", 0) > running.n_parallel:
        return False
    return all(given[name] == value for name, value in wanted.items())


def _check_bounds(asked: LoadSettings) -> None:
    for name, value in asked.asked().items():
        if isinstance(value, int) and value < (-1 if name == "n_gpu_layers" else 1):
            raise InvalidRequest(f"{name} must not be {value}.", param=name)


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
