"""The widget by which models are chosen, loaded and watched.

The kernel owns the state and makes the words; the page shows them and sends what a person does. Everything travels as
synced state, so that a page which is loaded again, or a second view, shows the same.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any

import anywidget
import traitlets

from jupyter_uml.kernel.esm import css, esm


class ModelView(anywidget.AnyWidget):
    """`model` and `options` are what a person chose: the id of a model, and texts as `load_options.py` reads them.

    `choices`: `[id, text]` of each model; `status`: of the chosen one; `fit` and `points`: as `Forecast` tells them;
    `machine`: bytes of RAM, `total`, `free` and taken by `others`; `samples`: `[seconds since 1970, bytes, tokens/s]`,
    oldest first; `notice`: what went wrong; `heard`: counts what the page sent.

    `lock` is held by whoever writes any of it: the kernel's thread does, and the client's.
    """

    _esm = esm("elements", "figures", "plot", "fit_bar", "load_form", "confirm", "model_view")
    _css = css("elements", "model_view")

    model = traitlets.Unicode(None, allow_none=True).tag(sync=True)
    options = traitlets.Dict().tag(sync=True)
    choices = traitlets.List(traitlets.List()).tag(sync=True)
    status = traitlets.Dict().tag(sync=True)
    fit = traitlets.Dict().tag(sync=True)
    points = traitlets.List(traitlets.List()).tag(sync=True)
    machine = traitlets.Dict().tag(sync=True)
    samples = traitlets.List(traitlets.List()).tag(sync=True)
    notice = traitlets.Unicode("").tag(sync=True)
    heard = traitlets.Int(0).tag(sync=True)

    def __init__(self) -> None:
        self.lock = RLock()
        super().__init__()

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """What the page says."""
        with self.lock:
            super().set_state(sync_data)

    def on_action(self, handle: Callable[[str], object], on_seen: Callable[[str, bool], object]) -> None:
        """`handle(action)` for what a person does; `on_seen(view, seen)` when a page says whether a view is seen."""

        def receive(_: Any, content: Any, __: Any) -> None:
            if not isinstance(content, dict):
                return
            if "seen" in content:
                on_seen(str(content.get("view")), bool(content["seen"]))
            else:
                self._catch_up(content)
                handle(str(content.get("action")))

        self.on_msg(receive)

    def _catch_up(self, content: dict[str, Any]) -> None:
        """An action says what it is about, since it may overtake the state that the page has sent before."""
        with self.lock:
            self.heard += 1
            if isinstance(model := content.get("model"), str):
                self.model = model
            if isinstance(options := content.get("options"), dict):
                self.options = options
