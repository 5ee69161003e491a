"""JSON schemas that come with a request, bounded before anything walks them."""

from __future__ import annotations

from typing import Any

import orjson

MAX_SCHEMA_BYTES = 1 << 17
MAX_SCHEMA_DEPTH = 64  # objects and lists within each other


def schema_text(schema: dict[str, Any]) -> str:
    """The schema as JSON text.

    Raises:
        ValueError: it is too long, or nested too deeply.
    """
    try:
        text = orjson.dumps(schema)  # in C, and it gives up at a depth of 254
    except orjson.JSONEncodeError as error:
        raise ValueError(f"the schema is nested more than {MAX_SCHEMA_DEPTH} levels deep") from error
    if len(text) > MAX_SCHEMA_BYTES:
        raise ValueError(f"the schema is longer than {MAX_SCHEMA_BYTES >> 10} KiB")
    if _depth(schema) > MAX_SCHEMA_DEPTH:
        raise ValueError(f"the schema is nested more than {MAX_SCHEMA_DEPTH} levels deep")
    return text.decode()


def _depth(value: Any) -> int:
    """Of JSON that is known to be short."""
    match value:
        case dict():
            return 1 + max(map(_depth, value.values()), default=0)
        case list():
            return 1 + max(map(_depth, value), default=0)
    return 0
