"""`GET openapi.json`: all that can be asked of this server, for programs and for those who write them."""

from __future__ import annotations

from functools import cache
from typing import Any

from jupyter_uml.protocol.endpoints import ENDPOINTS
from jupyter_uml.protocol.openapi import Operation, document
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.bench import BenchModelRequest
from jupyter_uml.server.native_types import LoadModelRequest, UnloadModelRequest
from jupyter_uml.server.pull import PullRequest

METRICS_TYPES = ("text/plain", "application/openmetrics-text")
OPERATIONS = (
    *map(Operation.of, ENDPOINTS),
    Operation("get", "v1/models", "The models that a request may name (OpenAI's list)."),
    Operation("get", "v1/models/{model}", "One of them."),
    Operation("get", "v1/responses/{id}", "An answer of `v1/responses` that is kept."),
    Operation("delete", "v1/responses/{id}", "Forget it."),
    Operation("get", "v1/responses/{id}/input_items", "What it was made from."),
    Operation("get", "health", "Whether the server works, what is loaded, how much memory is free."),
    Operation("get", "metrics", "The figures of the models, for Prometheus.", media=METRICS_TYPES),
    Operation("get", "models", "The models with their state, size and speed."),
    Operation("get", "models/{model}", "One of them."),
    Operation("get", "models/{model}/history", "Its memory, processor time and speed over the last hour."),
    Operation("post", "load_model", "Load a model; without `wait` the answer comes at once.", LoadModelRequest),
    Operation("post", "estimate", "Whether a model would fit, how, and what it would take.", LoadModelRequest),
    Operation("post", "unload_model", "Give a model's memory back.", UnloadModelRequest),
    Operation("post", "bench_model", "Measure how fast a model computes; its next load uses it.", BenchModelRequest),
    Operation("post", "pull", "Bring a model from the hub, followed by events.", PullRequest, streams=True),
    Operation("get", "pull", "The pulls that are running."),
    Operation("get", "pull/{id}", "How far one of them is."),
    Operation("delete", "pull/{id}", "End it; what has come is kept."),
    Operation("get", "openapi.json", "This document."),
)


class OpenApiHandler(UmlHandler):
    scope = "models:read"

    async def get(self) -> None:
        self.write_json(_document())


@cache
def _document() -> dict[str, Any]:
    return document(OPERATIONS)
