"""`ModelPanel`: choose a model, load it, see what it takes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

import ipywidgets as widgets

from jupyter_uml.client import UniversalClient
from jupyter_uml.client.health import Memory
from jupyter_uml.client.loop_thread import Job
from jupyter_uml.display import figures
from jupyter_uml.display.render import escape
from jupyter_uml.errors import InvalidRequest, UmlError
from jupyter_uml.kernel import notes
from jupyter_uml.kernel.fit_note import FitNote
from jupyter_uml.kernel.follow import MOVING, watch_load, watch_models
from jupyter_uml.kernel.load_options import LoadOptions
from jupyter_uml.kernel.session import on_activity, shared_client
from jupyter_uml.kernel.stream_view import ASSETS
from jupyter_uml.kernel.tables import state_dot
from jupyter_uml.types import ModelStatus

log = logging.getLogger(__name__)

PINNED, UNPINNED = "Pinned: it stays loaded. Click to let it go", "Pin: load it and keep it loaded"


class ModelPanel(widgets.VBox):
    """Everything it shows is what the server says; it asks once a second while something is going on there."""

    def __init__(self, *, client: UniversalClient | None = None) -> None:
        self._client = client or shared_client()
        self._rows: dict[str, ModelStatus] = {}
        self._memory = Memory()
        self._job: Job[None] | None = None
        self._watching = False
        self._build()
        self._fit = FitNote(self._client)
        parts = [self._style, self._top, self._fit.html, self._options.box, self._progress_row]
        super().__init__([*parts, self._status, self._error])
        self.add_class("uml-models")
        self.refresh()
        on_activity(lambda: self._client.background.start(self._watch()))

    def __repr__(self) -> str:
        return f"ModelPanel(model={self._choice.value!r})"

    @property
    def model(self) -> str | None:
        """The model that is chosen."""
        return self._choice.value  # type: ignore[no-any-return]

    @model.setter
    def model(self, model: str) -> None:
        self._choice.value = model

    def refresh(self) -> None:
        """Ask what there is; returns at once, as all of these do."""
        self._start(self._refresh())

    def load(self) -> None:
        """Load the model that is chosen, with the options as they stand."""
        self._start(self._load(self._choice.value))

    def pin(self) -> None:
        """Keep the chosen model loaded whatever happens, and load it first; or, where that is so, end it."""
        self._start(self._pin(self._choice.value))

    def unload(self) -> None:
        """Give the chosen model's memory back; while it loads, stop that."""
        self._start(self._unload(self._choice.value))

    def wait(self) -> None:
        """Until what was begun last is done."""
        if self._job is not None:
            self._job.wait()

    # --- what it is made of ---------------------------------------------------------------------

    def _build(self) -> None:
        css = (ASSETS / "model_panel.css").read_text("utf-8")
        self._style = widgets.HTML(f"<style>{css}</style>").add_class("uml-style")
        self._choice = widgets.Dropdown(options=[], layout={"width": "auto"}).add_class("uml-choice")
        self._refresh_button = self._button("", self.refresh, icon="refresh", tooltip="Ask again what there is")
        self._load_button = self._button("Load", self.load, style="primary")
        self._unload_button = self._button("Unload", self.unload)
        self._pin_button = self._button("", self.pin, icon="thumb-tack")
        buttons = [self._refresh_button, self._load_button, self._unload_button, self._pin_button]
        self._top = widgets.HBox([self._choice, *buttons]).add_class("uml-top")
        self._options = LoadOptions()
        self._options.on_change(self._estimate)
        self._bar = widgets.FloatProgress(min=0, max=1, layout={"width": "auto"}).add_class("uml-bar")
        self._progress_label = widgets.HTML()
        self._progress_row = widgets.HBox([self._bar, self._progress_label]).add_class("uml-progress")
        self._status, self._error = widgets.HTML().add_class("uml-status"), widgets.HTML().add_class("uml-error")
        self._choice.observe(lambda _: self._choose(), "value")
        self._say("")
        self._show()

    @staticmethod
    def _button(label: str, action: Any, icon: str = "", style: str = "", tooltip: str = "") -> widgets.Button:
        button = widgets.Button(description=label, icon=icon, button_style=style, tooltip=tooltip)
        button.layout.width = "auto"
        button.on_click(lambda _: action())
        return button

    # --- what it does, on the client's thread -----------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._job = self._client.background.start(self._reporting(work))

    async def _reporting(self, work: Coroutine[Any, Any, None]) -> None:
        self._say("")
        try:
            await work
        except UmlError as error:
            self._say(str(error))
            with contextlib.suppress(UmlError):
                await self._refresh()  # the state that the failure left behind
        except Exception:  # nobody awaits this task: its fault would be seen nowhere
            log.exception("the model panel failed")
            self._say("Something went wrong in the panel; the kernel's log tells more.")
        self._show()

    def _say(self, error: str) -> None:
        self._error.value = escape(error)
        self._error.layout.display = "" if error else "none"

    async def _watch(self) -> None:
        """Follow what others have begun. Only one of these runs, and what goes wrong is told by whoever began it."""
        if self._watching:
            return
        self._watching = True
        try:
            with contextlib.suppress(UmlError):
                await self._refresh()
        finally:
            self._watching = False

    async def _refresh(self) -> None:
        async for rows in watch_models(self._client.aio):
            self._take(rows)
            self._memory = (await self._client.aio.health()).memory
            self._show()
        self._estimate()

    async def _load(self, model: str | None) -> None:
        if model is not None:
            await self._follow_load(model, {**self._options.settings(), "keep_alive": self._options.keep_alive})
        await self._refresh()

    async def _pin(self, model: str | None) -> None:
        row = self._rows.get(model or "")
        if row is not None and row.pinned:
            await self._client.aio.load(row.id, wait=False, pin=False)
        elif row is not None:
            await self._follow_load(row.id, {"pin": True})
        await self._refresh()

    async def _follow_load(self, model: str, arguments: dict[str, Any]) -> None:
        async for row in watch_load(self._client.aio, model, arguments):
            self._rows[model] = row
            self._show()

    async def _unload(self, model: str | None) -> None:
        if model is not None:
            self._rows[model] = await self._client.aio.unload(model)
        await self._refresh()

    def _take(self, rows: list[ModelStatus]) -> None:
        self._rows = {row.id: row for row in rows if row.reason is None}
        chosen = self._choice.value
        options = [(_label(row), row.id) for row in self._rows.values()]
        if tuple(options) != tuple(self._choice.options):
            with self._choice.hold_sync():
                self._choice.options = options
                self._choice.value = chosen if chosen in self._rows else next(iter(self._rows), None)

    # --- what it shows --------------------------------------------------------------------------

    def _choose(self) -> None:
        self._show()
        self._estimate()

    def _estimate(self) -> None:
        """Ask whether the chosen model would fit as it would be loaded now; of one that runs as it is, nothing."""
        row = self._rows.get(self._choice.value)
        try:
            settings = self._options.settings()
        except InvalidRequest as error:
            self._fit.say(str(error))
            return
        is_up = row is not None and row.state not in ("available", "failed")
        self._fit.ask(None if row is None or (is_up and not settings) else row.id, settings)

    def _show(self) -> None:
        row = self._rows.get(self._choice.value)
        moving = row is not None and row.state in MOVING
        loaded = row is not None and row.state == "loaded"
        pinned = row is not None and row.pinned
        self._load_button.disabled = row is None or moving
        self._load_button.description = "Reload" if loaded else "Load"
        self._unload_button.disabled = row is None or row.state in ("available", "failed", "unloading")
        coming = row is not None and row.state in ("queued", "loading")
        self._unload_button.description = "Cancel" if coming else "Unload"
        self._pin_button.disabled = row is None or moving
        self._pin_button.tooltip = PINNED if pinned else UNPINNED
        (self._pin_button.add_class if pinned else self._pin_button.remove_class)("uml-pinned")
        self._progress_row.layout.display = "" if moving else "none"
        if row is not None and moving:
            self._bar.value = row.progress or 0.0
            self._progress_label.value = escape(notes.loading_note(row))
        self._status.value = self._status_html(row)

    def _status_html(self, row: ModelStatus | None) -> str:
        if row is None:
            first = "No model was found." if self._memory.total_bytes else "Looking for models …"
        else:
            words = [row.state, notes.loaded_note(row), notes.activity_note(row)]
            reason = str(row.error["message"]) if row.error else ""
            first = state_dot(row) + escape(" · ".join(note for note in [*words, reason] if note))
        free, total = self._memory.available_bytes, self._memory.total_bytes
        second = f"{figures.size(free)} of {figures.size(total)} memory free" if total else ""
        return f'<div>{first}</div><div class="uml-quiet">{second}</div>'


def _label(row: ModelStatus) -> str:
    state = "" if row.state == "available" else f" · {row.state}"
    return f"{row.id} · {figures.size(row.size_bytes)}{state}"
