"""Keys and usage as JSON objects: what the routes answer, and what is told where no server runs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from jupyter_uml.access.events import Value
from jupyter_uml.access.key import Key
from jupyter_uml.access.usage_table import Grouping, UsageRecord, UsageSum


def key_row(key: Key, now: float) -> dict[str, Any]:
    """All that is known of a key, its limits beside the rest as they were asked for. Times in seconds since 1970."""
    return {
        "id": key.id,
        "name": key.name,
        "state": key.state(now),
        "scopes": sorted(key.scopes),
        "models": None if key.models is None else list(key.models),
        "created": key.created,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used": key.last_used,
        "ephemeral": key.ephemeral,
        **asdict(key.limits),
    }


def key_details(key: Key) -> dict[str, Value]:
    """What a key may, for the audit file."""
    models = "all" if key.models is None else " ".join(key.models)
    scopes = " ".join(sorted(key.scopes))
    return {"name": key.name, "scopes": scopes, "models": models, "expires_at": key.expires_at, **key.limits.given()}


def usage_row(total: UsageSum, by: Collection[Grouping]) -> dict[str, Any]:
    """Without what it was not grouped by."""
    row = asdict(total)
    key, name, model, day = (row.pop(field) for field in ("principal_id", "principal_name", "model", "day"))
    groups: dict[Grouping, dict[str, str]] = {
        "key": {"key": key, "name": name},
        "model": {"model": model},
        "day": {"day": day},
    }
    return {name: value for group in groups if group in by for name, value in groups[group].items()} | row


def record_row(record: UsageRecord) -> dict[str, Any]:
    """The prompt only where it was kept."""
    row = asdict(record)
    row = {"time": row.pop("time"), "key": row.pop("principal_id"), "name": row.pop("principal_name"), **row}
    if record.prompt is None:
        del row["prompt"]
    return row
