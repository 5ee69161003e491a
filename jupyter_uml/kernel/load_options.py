"""The fields for a model's settings; an empty field leaves the choice to the loader."""

from __future__ import annotations

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
    """`box` is the widget, `settings()` what was filled in."""

    def __init__(self) -> None:
        self._fields = {
            name: widgets.Text(placeholder="auto", description=label, tooltip=hint, layout={"width": "auto"})
            for name, (label, hint) in _FIELDS.items()
        }
        kinds = [("auto", None), *((kind, kind) for kind in get_args(KvType))]
        self._kv_type = widgets.Dropdown(options=kinds, description="KV cache", layout={"width": "auto"})
        grid = widgets.GridBox([*self._fields.values(), self._kv_type]).add_class("uml-grid")
        self.box = widgets.Accordion([grid], titles=("Options",), selected_index=None).add_class("uml-options")

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
