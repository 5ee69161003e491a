"""What goes over the socket `events`: the server's state, as it changes. The AsyncAPI document is made of this."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from jupyter_uml import __version__

_EXAMPLE: JsonDict = {
    "order": ["demo"],
    "models": [{"id": "demo", "state": "loading", "size_bytes": 6170976, "source": "demo", "progress": 0.4}],
    "memory": {"total_bytes": 17179869184, "available_bytes": 9663676416},
    "pulls": [],
    "running": [],
    "version": __version__,
}


class State(BaseModel):
    """What is new; in the first message that is everything. What is left out is as it was.

    Who reads slowly gets fewer and newer messages. Keys that may not read something get no such field.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    order: list[str] = Field(default=[], description="Ids of all models. One that is in no order any more is gone.")
    models: list[dict[str, Any]] = Field(default=[], description="Rows of `GET models` that are new or have changed.")
    memory: dict[str, int] = Field(default={}, description="`total_bytes` and `available_bytes` of the machine.")
    samples: dict[str, dict[str, Any]] = Field(default={}, description="The newest figures of models that are loaded.")
    pulls: list[dict[str, Any]] = Field(default=[], description="All rows of `GET pull`, to `models:admin`.")
    running: list[dict[str, Any]] = Field(default=[], description="Rows of `GET running`, to `infer`.")
    version: str = Field(default="", description="Of the server, in the first message.")
