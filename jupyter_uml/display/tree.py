"""What JSON describes, as tables within tables that a person can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_uml.display import figures
from jupyter_uml.display.colours import QUIET
from jupyter_uml.display.render import escape

MAX_ITEMS = 100  # of a list or a dict that are shown
_CELL = "text-align:left;vertical-align:top;white-space:pre-wrap;overflow-wrap:break-word"


def tree_html(value: Any) -> str:
    """`value`: dicts, lists, and what JSON has beside."""
    match value:
        case dict() if value:
            return _grid("".join(_row(key, item) for key, item in _first(list(value.items())))) + _rest(value)
        case list() | tuple() if value and (keys := _columns(value)):
            head = "".join(f'<th style="{_CELL}">{escape(key)}</th>' for key in keys)
            rows = "".join(_cells(item[key] for key in keys) for item in _first(value))
            return _grid(f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>") + _rest(value)
        case list() | tuple() if value:
            items = "".join(f"<li>{tree_html(item)}</li>" for item in _first(value))
            return f'<ul style="margin:0;padding-left:1.4em">{items}</ul>' + _rest(value)
        case str():
            return f'<span style="white-space:pre-wrap">{escape(value)}</span>'
        case None | bool():
            return f'<span style="color:{QUIET}">{ {None: "null", True: "true", False: "false"}[value] }</span>'
        case dict() | list() | tuple():
            return f'<span style="color:{QUIET}">none</span>'
    return escape(str(value))


def _columns(items: Sequence[Any]) -> list[str]:
    """The keys of dicts that are alike and flat, which make a table; empty where they are not."""
    first = items[0]
    if len(items) < 2 or not isinstance(first, dict) or not first:
        return []
    alike = all(isinstance(item, dict) and item.keys() == first.keys() for item in items)
    flat = alike and not any(isinstance(value, dict | list) for item in items for value in item.values())
    return [str(key) for key in first] if flat else []


def _row(key: Any, value: Any) -> str:
    name = f'<th style="{_CELL};color:{QUIET};font-weight:normal;max-width:16em">{escape(str(key))}</th>'
    return f"<tr>{name}{_cell(value)}</tr>"


def _cells(values: Any) -> str:
    return f"<tr>{''.join(map(_cell, values))}</tr>"


def _cell(value: Any) -> str:
    return f'<td style="{_CELL}">{tree_html(value)}</td>'


def _grid(inner: str) -> str:
    return f'<table style="margin:0">{inner}</table>'


def _first(items: Sequence[Any]) -> Sequence[Any]:
    return items[:MAX_ITEMS]


def _rest(items: Sequence[Any] | Mapping[Any, Any]) -> str:
    more = len(items) - MAX_ITEMS
    return f'<div style="color:{QUIET}">and {figures.plural(more, "more item")}</div>' if more > 0 else ""
