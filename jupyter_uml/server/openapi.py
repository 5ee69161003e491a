"""`GET openapi.json`: all that can be asked of this server, for programs and for those who write them."""

from __future__ import annotations

from functools import cache
from typing import Any

from jupyter_uml.protocol.endpoints import ENDPOINTS
from jupyter_uml.protocol.openapi import Operation, document
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.bench import BenchModelRequest
from jupyter_uml.server.events import StateQuery
from jupyter_uml.server.generation_routes import EventsQuery, GenerationsQuery
from jupyter_uml.server.key_routes import ExpiryRequest, NewKeyRequest
from jupyter_uml.server.native_types import LoadModelRequest, UnloadModelRequest
from jupyter_uml.server.profile_routes import ProfileRequest
from jupyter_uml.server.pull import PullRequest
from jupyter_uml.server.usage_routes import RecordsQuery, UsageQuery

METRICS_TYPES = ("text/plain", "application/openmetrics-text")
EVENTS = (
    "The first event, `state`, says everything; each one after that only what is new: `order` (the ids of all models; "
    "a row that is in no order any more is gone), `models` (rows of `GET models`), `memory`, `samples` (the newest "
    "figures of models that are loaded), `pulls` and `running` (all rows that there are now), `version`. Who reads "
    "slowly gets fewer and newer ones. As a WebSocket, by `Upgrade: websocket`, the same come as texts."
)
OPERATIONS = (
    *map(Operation.of, ENDPOINTS),
    Operation("get", "v1/models", "The models that a request may name (OpenAI's list)."),
    Operation("get", "v1/models/{model}", "One of them."),
    Operation("get", "v1/responses/{id}", "An answer of `v1/responses` that is kept."),
    Operation("delete", "v1/responses/{id}", "Forget it."),
    Operation("get", "v1/responses/{id}/input_items", "What it was made from."),
    Operation("get", "generations", "Answers that are kept, the newest first.", query=GenerationsQuery),
    Operation("get", "generations/{id}", "One of them: how far it is."),
    Operation("delete", "generations/{id}", "Stop it and keep what has come; forget it, if it has ended."),
    Operation(
        "get",
        "generations/{id}/events",
        "Its events from any place on, up to its end; the header `Last-Event-ID` says the same as `after`.",
        media=("text/event-stream",),
        query=EventsQuery,
    ),
    Operation("get", "generations/{id}/output", "What it has said, as a notebook shows it."),
    Operation("get", "health", "Whether the server works, what is loaded, how much memory is free."),
    Operation("get", "metrics", "The figures of the models, for Prometheus.", media=METRICS_TYPES),
    Operation("get", "models", "The models with their state, size and speed; `?refresh=1` looks at the disks first."),
    Operation("get", "models/{model}", "One of them."),
    Operation("get", "models/{model}/history", "Its memory, processor time and speed over the last hour."),
    Operation("post", "load_model", "Load a model; without `wait` the answer comes at once.", LoadModelRequest),
    Operation("post", "estimate", "Whether a model would fit, how, and what it would take.", LoadModelRequest),
    Operation("post", "unload_model", "Give a model's memory back.", UnloadModelRequest),
    Operation("post", "bench_model", "Measure how fast a model computes; its next load uses it.", BenchModelRequest),
    Operation(
        "post",
        "pull",
        "Bring a model from the hub, followed by events, or say what would come.",
        PullRequest,
        streams=True,
    ),
    Operation("get", "pull", "The pulls that are running."),
    Operation("get", "pull/{id}", "How far one of them is, or how it ended."),
    Operation("delete", "pull/{id}", "End it; what has come is kept."),
    Operation("get", "profiles", "The profiles: models with settings of their own, under a name."),
    Operation("put", "profiles/{name}", "Write a profile, or replace the one of this name.", ProfileRequest),
    Operation("delete", "profiles/{name}", "Delete it; its model stays as it is."),
    Operation("get", "keys", "The keys; their secrets are not known any more."),
    Operation("post", "keys", "Make a key; its secret, `key`, is shown this once.", NewKeyRequest),
    Operation("get", "keys/{id}", "One of them."),
    Operation("post", "keys/{id}", "Change when it expires.", ExpiryRequest),
    Operation("delete", "keys/{id}", "Revoke it, for ever and within a second on every server of this user."),
    Operation("get", "usage", "What was used, summed up by key, model and day.", query=UsageQuery),
    Operation("get", "usage/records", "The last requests one by one, the newest first.", query=RecordsQuery),
    Operation("get", "health/live", "Whether the server answers at all. Needs no credential."),
    Operation("get", "health/ready", "Whether it can take requests, else 503; with a credential also what is missing."),
    Operation("get", "running", "Requests that are being answered: one's own; with `models:admin` everybody's."),
    Operation("delete", "running/{id}", "End one of them."),
    Operation(
        "get",
        "events",
        "What the server says of itself, pushed as it changes: models, memory, samples, pulls, running answers.",
        media=("text/event-stream",),
        query=StateQuery,
        description=EVENTS,
    ),
    Operation("get", "ws", "A WebSocket for many answers at once; `docs/socket` tells what is said on it."),
    Operation("get", "docs", "This description as a page, to try it out.", media=("text/html",)),
    Operation("get", "docs/socket", "The description of the WebSocket as a page.", media=("text/html",)),
    Operation("get", "docs/{file}", "What the pages are made of.", media=("*/*",)),
    Operation("get", "asyncapi.json", "The description of the WebSocket."),
    Operation("get", "openapi.json", "This document."),
)


class OpenApiHandler(UmlHandler):
    scope = "models:read"

    async def get(self) -> None:
        root = self.request.path.removesuffix("/openapi.json")
        self.write_json({**_document(), "servers": [{"url": root or "/"}]})


@cache
def _document() -> dict[str, Any]:
    return document(OPERATIONS)
