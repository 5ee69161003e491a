"""`ModelPanel`: choose a model, see whether it fits, load it, watch what it takes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import ipywidgets as widgets

from jupyter_uml.client import UniversalClient
from jupyter_uml.client.loop_thread import Job
from jupyter_uml.errors import ConnectionFailed, InvalidRequest, UmlError
from jupyter_uml.kernel.audience import Audience
from jupyter_uml.kernel.follow import MOVING
from jupyter_uml.kernel.forecast import Forecast, Told
from jupyter_uml.kernel.live_models import live_models
from jupyter_uml.kernel.load_options import keep_alive_of, must_unload, settings_of, whole
from jupyter_uml.kernel.model_view import ModelView
from jupyter_uml.kernel.sample_line import SampleLine
from jupyter_uml.kernel.session import shared_client
from jupyter_uml.kernel.shown_model import UP, label_of, missing, status_of
from jupyter_uml.types import Memory, ModelStatus, Sample, ServerState

log = logging.getLogger(__name__)


class ModelPanel(widgets.VBox):
    """Everything it shows is what the server says, as it changes, while somebody looks."""

    def __init__(self, *, client: UniversalClient | None = None) -> None:
        self.view = ModelView()
        super().__init__([self.view])
        self._client = client or shared_client()
        self._rows: dict[str, ModelStatus] = {}
        self._reasons: dict[str, str] = {}  # why the others can never be loaded
        self._memory = Memory()
        self._called_off: set[str] = set()  # models whose load was ended here, which is no error then
        self._line = SampleLine()
        self._job: Job[None] | None = None
        self._unfollow: Callable[[], None] | None = None
        self._is_cut_off = False  # the server could not be reached last, which is said
        self._heard = 0  # states that were pushed
        self._forecast = Forecast(self._client, self._on_forecast)
        self._audience = Audience(self._client.background, self._look)
        self.view.on_action(self._on_action, self._audience.hear)
        self.view.observe(lambda _: self._on_choice(), "model")
        self.view.observe(lambda _: self._on_options(), "options")
        self._show()
        self._start(self._read())

    def __repr__(self) -> str:
        return f"ModelPanel(model={self.model!r})"

    @property
    def model(self) -> str | None:
        """The model that is chosen."""
        return self.view.model

    @model.setter
    def model(self, model: str) -> None:
        self.view.model = model

    def refresh(self) -> None:
        """Ask what there is; returns at once, as all of these do."""
        self._start(self._read(refresh=True))

    def load(self) -> None:
        """Load the model that is chosen, with the options as they stand. One that is loaded with more than they say
        is unloaded before, after the answers under way."""
        self._start(self._load(self.model))

    def pin(self) -> None:
        """Keep the chosen model loaded whatever happens, and load it first, with the options as they stand; or, where
        that is so, end it."""
        self._start(self._pin(self.model))

    def unload(self, force: bool = False) -> None:
        """Give the chosen model's memory back, after the answers under way, or with `force` at once; while it loads,
        stop that."""
        self._start(self._unload(self.model, force))

    def wait(self) -> None:
        """Until what was begun last is done."""
        if self._job is not None:
            self._job.wait()

    def close(self) -> None:
        """Show nothing any more, and listen to nothing."""
        if "_audience" in vars(self):  # ipywidgets closes also what was never built to its end
            self._audience.leave()
            self._forecast.close()
            self.view.close()
        super().close()

    # --- what a person does, on the kernel's thread -----------------------------------------------

    def _on_action(self, action: str) -> None:
        match action:
            case "refresh":
                self.refresh()
            case "load":
                self.load()
            case "pin":
                self.pin()
            case "unload":
                self.unload()
            case "unload-now":
                self.unload(force=True)

    def _on_choice(self) -> None:
        with self.view.lock:
            if not self._is_cut_off:  # what went wrong was about another model
                self._say("")
            if self.view.options.get("n_ctx"):  # other models have other lengths
                self.view.options = {**self.view.options, "n_ctx": ""}
            self._plot()
            self._show()
        self._estimate()

    def _on_options(self) -> None:
        with self.view.lock:
            self._show()
        self._estimate()

    # --- what it does, on the client's thread -----------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._job = self._client.background.start(self._reporting(work))

    async def _reporting(self, work: Coroutine[Any, Any, None]) -> None:
        self._say("")
        try:
            await work
        except UmlError as error:
            self._is_cut_off |= isinstance(error, ConnectionFailed) and not self._heard
            self._say(str(error))
            with contextlib.suppress(UmlError):
                await self._read()  # the state that the failure left behind
        except Exception:  # nobody awaits this task: its fault would be seen nowhere
            log.exception("the model panel failed")
            self._say("Something went wrong in the panel; the kernel's log tells more.")

    async def _read(self, refresh: bool = False) -> None:
        heard = self._heard
        rows = await self._client.aio.models(refresh)
        state = ServerState(rows, (await self._client.aio.health()).memory)
        if heard == self._heard:  # else what was pushed meanwhile is newer, or something newer follows it
            self._take(state)

    async def _load(self, model: str | None) -> None:
        if model is not None:
            options, row = self.view.options, self._rows.get(model)
            settings, keep_alive = settings_of(options), keep_alive_of(options)
            pin = None
            if row is not None and row.settings is not None and must_unload(settings, row.settings):
                settings, pin = whole(settings, row.settings), row.pinned or None
                await self._client.aio.unload(model)
            await self._begin(model, **settings, keep_alive=keep_alive, pin=pin)
        await self._read()

    async def _begin(self, model: str, **arguments: Any) -> None:
        self._called_off.discard(model)
        try:
            await self._client.aio.load(model, **arguments)
        except UmlError:
            if model not in self._called_off:
                raise

    async def _pin(self, model: str | None) -> None:
        row = self._rows.get(model or "")
        if row is not None:
            settings = {} if row.state in UP else settings_of(self.view.options)
            await self._begin(row.id, **settings, wait=not row.pinned, pin=not row.pinned)
        await self._read()

    async def _unload(self, model: str | None, force: bool) -> None:
        if model is not None:
            self._called_off.add(model)
            await self._client.aio.unload(model, force)
        await self._read()

    async def _recall(self) -> None:
        """What the chosen model took before anybody looked."""
        model = self._line.model
        with contextlib.suppress(UmlError):
            past = await self._client.aio.history(model or "")
            with self.view.lock:
                if model == self._line.model:
                    self.view.samples = self._line.add(past)

    def _look(self, seen: bool) -> None:
        if seen:
            with self.view.lock:
                self._line.begin(None)  # what came while nobody looked is missing
            self._unfollow = live_models(self._client).follow(self)
            self._estimate()  # of what is free now
        elif self._unfollow is not None:
            self._unfollow()
            self._unfollow = None

    def take(self, state: ServerState) -> None:
        """What the server says now."""
        if not state.connected:
            self.fail(ConnectionFailed("The server cannot be reached. What is shown is from before."))
            self._take(state)
            return
        is_back, self._is_cut_off = self._is_cut_off, False
        self._heard += 1
        self._take(state)
        if is_back:
            self._say("")
            self._estimate()  # there was nobody to ask

    def _take(self, state: ServerState) -> None:
        with self.view.lock, self.view.hold_sync():
            before, self._rows = self._rows, {row.id: row for row in state.models if row.reason is None}
            self._reasons = {row.id: row.reason for row in state.models if row.reason is not None}
            self._memory = state.memory
            self._list()
            if self._unfollow is not None:
                self._plot(state.samples.get(self.model or ""))
            self._show()
        if _states(before.values()) != _states(self._rows.values()):
            self._estimate()

    def fail(self, error: UmlError) -> None:
        self._say(str(error))
        self._is_cut_off = True

    # --- what it shows --------------------------------------------------------------------------

    def _say(self, error: str) -> None:
        self.view.notice = error

    def _list(self) -> None:
        """What was chosen stays so, also where it is gone: another model would be loaded in its place."""
        if self.model is None:
            loaded = (row.id for row in self._rows.values() if row.state == "loaded")
            self.view.model = next(loaded, next(iter(self._rows), None))
        gone = [] if self.model is None or self.model in self._rows else [[self.model, f"{self.model} · not there"]]
        self.view.choices = [[row.id, label_of(row)] for row in self._rows.values()] + gone

    def _plot(self, newest: Sample | None = None) -> None:
        row = self._rows.get(self.model or "")
        if row is None or row.state != "loaded":
            self._line.begin(None)
            self.view.samples = []
        elif self._line.model != row.id:
            self._line.begin(row.id)
            self.view.samples = []
            self._client.background.start(self._recall())
        elif newest is not None:
            self.view.samples = self._line.add([newest])

    def _on_forecast(self, fit: Told, points: list[list[int]] | None) -> None:
        with self.view.lock, self.view.hold_sync():
            self.view.fit = fit
            if points is not None:
                self.view.points = points

    def _estimate(self) -> None:
        """Ask whether the chosen model would fit as it would be loaded now; one that is loaded is shown as it is."""
        row = self._rows.get(self.model or "")
        try:
            settings = settings_of(self.view.options)
        except InvalidRequest as error:
            self._forecast.say(str(error))
            return
        if row is None or row.state not in MOVING:
            self._forecast.ask(row, settings)

    def _show(self) -> None:
        row = self._rows.get(self.model or "")
        workers = {other.pid: other.memory_bytes or 0 for other in self._rows.values()}  # which profiles share
        others = sum(taken for pid, taken in workers.items() if row is None or pid != row.pid)
        total, free = self._memory.total_bytes, self._memory.available_bytes
        self.view.machine = {"total": total, "free": free, "others": others}
        if row is not None:
            self.view.status = status_of(row, self.view.options)
        else:
            self.view.status = missing(self.model, self._reasons.get(self.model or ""), bool(total))


def _states(rows: Any) -> list[tuple[str, str]]:
    return [(row.id, row.state) for row in rows]
