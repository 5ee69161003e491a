"""The schemas are what `jupyter_events` takes, and what is told fits them."""

from __future__ import annotations

import logging
from io import StringIO
from typing import Any

import jsonschema
import pytest
from jupyter_events import EventLogger

from jupyter_uml.access import (
    AUDIT_EVENT,
    AUDIT_SCHEMA,
    REQUEST_EVENT,
    REQUEST_SCHEMA,
    AuditEvent,
    UsageRecord,
    audit_event,
    request_event,
)

SMALL_REQUEST = UsageRecord(1.0, "req_1", "key_a", "ci", "route")
LARGE_REQUEST = UsageRecord(
    1.0, "req_1", "key_a", "ci", "route", "demo", 500, "worker_died", 1, 2, 3, 0.5, 0.1, "prompt"
)
SMALL_EVENT = AuditEvent("key.create")
LARGE_EVENT = AuditEvent("a", "refused", "key_a", "ci", "demo", "permission_denied", "req_1", "::1", {"n": 1})


@pytest.mark.parametrize(
    ("schema_id", "schema", "data"),
    [
        (REQUEST_EVENT, REQUEST_SCHEMA, request_event(SMALL_REQUEST)),
        (REQUEST_EVENT, REQUEST_SCHEMA, request_event(LARGE_REQUEST)),
        (AUDIT_EVENT, AUDIT_SCHEMA, audit_event(SMALL_EVENT)),
        (AUDIT_EVENT, AUDIT_SCHEMA, audit_event(LARGE_EVENT)),
    ],
)
def test_an_event_logger_takes_it(schema_id: str, schema: dict[str, Any], data: dict[str, Any]) -> None:
    output = StringIO()
    handler = logging.StreamHandler(output)
    logger = EventLogger(handlers=[handler])
    logger.register_event_schema(schema)
    logger.emit(schema_id=schema_id, data=data)
    assert data.get("request_id", data.get("action", "")) in output.getvalue()
    jsonschema.validate(data, schema)


@pytest.mark.parametrize("schema", [REQUEST_SCHEMA, AUDIT_SCHEMA])
def test_nothing_else_gets_in(schema: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**request_event(SMALL_REQUEST), **audit_event(SMALL_EVENT), "secret": "uml_x"}, schema)


def test_a_prompt_is_told_only_where_it_is_kept() -> None:
    assert "prompt" not in request_event(SMALL_REQUEST)
