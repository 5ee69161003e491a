"""`GET v1/models`."""

from __future__ import annotations

from typing import Any

from jupyter_uml.types import ModelStatus


def models_body(statuses: list[ModelStatus], created: int) -> dict[str, Any]:
    """Everything that a request may name, since models load just in time."""
    rows = [{"id": s.id, "object": "model", "created": created, "owned_by": "jupyter_uml"} for s in statuses]
    return {"object": "list", "data": rows}
