"""What is told about requests and about what people do with the server, as schemas for `jupyter_events`.

The server registers them, and whoever listens there gets what the database and the audit file get.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from jupyter_uml.access.usage_table import UsageRecord

REQUEST_EVENT = "urn:jupyter-uml:request"
AUDIT_EVENT = "urn:jupyter-uml:audit"

_RECORD = tuple(field.name for field in fields(UsageRecord))

Outcome = Literal["ok", "refused", "failed"]
Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Somebody did something that an administrator may ask about later: `key.create`, `model.unload`, `login`, …

    `target`: the id of what it was done to. `error`: a code. `details`: never a secret or a prompt.
    """

    action: str
    outcome: Outcome = "ok"
    principal_id: str = ""
    principal_name: str = ""
    target: str = ""
    error: str | None = None
    request_id: str = ""
    address: str = ""
    details: dict[str, Value] = field(default_factory=dict)
    time: float = field(default_factory=time.time)  # seconds since 1970
    id: str = field(default_factory=lambda: secrets.token_hex(8))


def request_event(record: UsageRecord) -> dict[str, Any]:
    """The data of a `REQUEST_EVENT`."""
    return {name: value for name in _RECORD if (value := getattr(record, name)) is not None}


def audit_event(event: AuditEvent) -> dict[str, Any]:
    """The data of an `AUDIT_EVENT`, and a line of the audit file."""
    return {name: value for name, value in asdict(event).items() if value not in (None, "", {})}


_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_SECONDS = {"type": "number", "minimum": 0}
_WHO = {
    "time": {**_SECONDS, "description": "Seconds since 1970."},
    "request_id": {**_TEXT, "description": "As in the answer's header X-Request-Id."},
    "principal_id": {**_TEXT, "description": "The key's id, or the id of Jupyter's user."},
    "principal_name": _TEXT,
    "error": {**_TEXT, "description": "The error's code."},
}

REQUEST_SCHEMA: dict[str, Any] = {
    "$id": REQUEST_EVENT,
    "version": "1",
    "title": "A request has ended",
    "description": "One for each request of a model, however it ended.",
    "personal-data": True,
    "type": "object",
    "required": ["time", "request_id", "principal_id", "principal_name", "route", "model", "status"],
    "additionalProperties": False,
    "properties": {
        **_WHO,
        "route": _TEXT,
        "model": {**_TEXT, "description": "Its id; empty: none."},
        "status": {"type": "integer", "description": "The status of the HTTP answer."},
        "tokens_in": _COUNT,
        "tokens_out": _COUNT,
        "tokens_cached": {**_COUNT, "description": "Tokens of the prompt that need not be computed again."},
        "duration": {**_SECONDS, "description": "Seconds."},
        "first_token": {**_SECONDS, "description": "Seconds to the first token."},
        "prompt": {**_TEXT, "description": "Only where prompts are kept."},
    },
}

AUDIT_SCHEMA: dict[str, Any] = {
    "$id": AUDIT_EVENT,
    "version": "1",
    "title": "Somebody did something with the server",
    "description": "Keys made and revoked, models loaded and unloaded, credentials and requests refused.",
    "personal-data": True,
    "type": "object",
    "required": ["id", "time", "action", "outcome"],
    "additionalProperties": False,
    "properties": {
        **_WHO,
        "id": _TEXT,
        "action": {**_TEXT, "description": "Such as key.create or model.unload."},
        "outcome": {"enum": ["ok", "refused", "failed"]},
        "target": {**_TEXT, "description": "The id of what it was done to."},
        "address": {**_TEXT, "description": "Of the client."},
        "details": {"type": "object"},
    },
}
