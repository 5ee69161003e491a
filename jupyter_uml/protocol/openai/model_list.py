"""`GET v1/models`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyter_uml.errors import ModelLoadFailed
from jupyter_uml.types import ModelStatus


def models_body(statuses: Iterable[ModelStatus], created: int) -> dict[str, Any]:
    """Everything that can answer requests, loaded or not, since models load just in time."""
    return {"object": "list", "data": [_row(status, created) for status in statuses if status.reason is None]}


def model_card(status: ModelStatus, created: int) -> dict[str, Any]:
    """
    Raises:
        ModelLoadFailed: it can answer nothing, and is not in the list.
    """
    if status.reason is not None:
        raise ModelLoadFailed(f"{status.id} cannot be loaded: {status.reason}")
    return _row(status, created)


def _row(status: ModelStatus, created: int) -> dict[str, Any]:
    return {"id": status.id, "object": "model", "created": created, "owned_by": "jupyter_uml"}
