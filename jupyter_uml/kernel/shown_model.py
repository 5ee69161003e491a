"""What the panel shows of a model: words, and what can be done with it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from jupyter_uml.display import figures
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel import notes
from jupyter_uml.kernel.follow import MOVING
from jupyter_uml.kernel.forecast import longest_context
from jupyter_uml.kernel.load_options import are_in_force, must_unload, settings_of
from jupyter_uml.types import ModelStatus

UP = (*MOVING, "loaded")  # states in which there is something to give back


def label_of(row: ModelStatus) -> str:
    """Of one among many."""
    profile = f" · profile of {row.base}" if row.base else ""
    state = "" if row.state == "available" else f" · {row.state}"
    return f"{row.id} · {figures.size(row.size_bytes)}{profile}{state}"


def status_of(row: ModelStatus, options: Mapping[str, Any]) -> dict[str, Any]:
    """Of the one that is chosen. `progress`: 0 to 1, None while nothing moves; `longest`: tokens, 0: not known."""
    reason = str(row.error["message"]) if row.error else ""
    words = [row.state, notes.loaded_note(row), notes.activity_note(row), reason]
    is_moving = row.state in MOVING
    return {
        "state": row.state,
        "words": " · ".join(word for word in words if word),
        "progress": (row.progress or 0.0) if is_moving else None,
        "progress_words": notes.loading_note(row) if is_moving else "",
        "is_up": row.state in UP,
        "is_changed": _is_changed(row, options),
        "is_less": _is_less(row, options),
        "pinned": row.pinned,
        "active": row.active,
        "n_ctx": row.settings.n_ctx if row.settings else None,
        "longest": longest_context(row),
    }


def missing(model: str | None, reason: str | None, is_known: bool) -> dict[str, Any]:
    """Of one that cannot be loaded or is not there. `is_known`: what there is has been told."""
    if reason is not None:
        return {"words": f"cannot be loaded: {reason}"}
    if model is not None and is_known:
        return {"words": f"There is no model {model} now. Choose another one."}
    return {"words": "No model was found." if is_known else "Looking for models …"}


def _is_changed(row: ModelStatus, options: Mapping[str, Any]) -> bool:
    """Whether a loaded model would be another one with the options as they stand."""
    with contextlib.suppress(InvalidRequest):
        return row.settings is None or not are_in_force(settings_of(options), row.settings)
    return True


def _is_less(row: ModelStatus, options: Mapping[str, Any]) -> bool:
    """Whether it has to be unloaded for them."""
    with contextlib.suppress(InvalidRequest):
        return row.state == "loaded" and row.settings is not None and must_unload(settings_of(options), row.settings)
    return False
