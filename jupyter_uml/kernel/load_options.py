"""The fields for how a model is loaded; an empty field leaves the choice to the loader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import ipywidgets as widgets

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import KvType

_FIELDS = {
    "n_ctx": ("Context", "Tokens for each conversation, question and answer together"),
    "n_parallel": ("At a time", "Conversations that run side by side"),
    "n_threads": ("Threads", "Processor threads"),
    "n_gpu_layers": ("GPU layers", "Layers that the GPU computes; -1 is all"),
}


class LoadOptions:
    """`box` is the widget, `settings()` and `keep_alive` what was filled in."""

    def __init__(self) -> None:
        self._fields = {
            name: widgets.Text(placeholder="auto", description=label, tooltip=hint, layout={"width": "auto"})
            for name, (label, hint) in _FIELDS.items()
        }
        kinds = [("auto", None), *((kind, kind) for kind in get_args(KvType))]
        self._kv_type = widgets.Dropdown(options=kinds, description="KV cache", layout={"width": "auto"})
        self._keep_alive = widgets.Text(
            placeholder="auto",
            description="Keep for",
            tooltip="Unload after so long without use: seconds, or 10m, 2h; -1 is never",
            layout={"width": "auto"},
        )
        grid = widgets.GridBox([*self._fields.values(), self._kv_type, self._keep_alive]).add_class("uml-grid")
        self.box = widgets.Accordion([grid], titles=("Options",), selected_index=None).add_class("uml-options")

    def on_change(self, listener: Callable[[], object]) -> None:
        """Call `listener` when the settings are changed."""
        for field in (*self._fields.values(), self._kv_type):
            field.observe(lambda _: listener(), "value")

    @property
    def keep_alive(self) -> float | str | None:
        """As it was written: the client checks it."""
        text = self._keep_alive.value.strip()
        return float(text) if text.removeprefix("-").isdecimal() else text or None

    def settings(self) -> dict[str, Any]:
        """
        Raises:
            InvalidRequest: a field holds no whole number.
        """
        given = {name: _whole(name, field.value) for name, field in self._fields.items() if field.value.strip()}
        return given if self._kv_type.value is None else {**given, "kv_type": self._kv_type.value}


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        label = _FIELDS[name][0]
        raise InvalidRequest(f"{label}: {text.strip()!r} is not a whole number.", param=name) from error
