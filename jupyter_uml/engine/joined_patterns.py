"""How many patterns one text has to match by a JSON schema: what makes some small schemas take for ever."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")  # of a byte, in a URL


def most_joined(schema: Any) -> int:
    """The most that any part of the schema joins, by `allOf`, by references, or by standing beside them.

    RecursionError: the schema is nested too deeply, or its references are.
    """
    joined = _Joined(schema)
    return max((joined.count(part) for part in _parts(schema)), default=0)


def _parts(value: Any) -> Iterator[Any]:
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _parts(inner)


class _Joined:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._all = sum(map(_own, _parts(root)))
        self._known: dict[int, int] = {}  # by the identity of a part; 0 while it is being counted: it names itself

    def count(self, part: Any) -> int:
        if not isinstance(part, dict):
            return 0
        if id(part) not in self._known:
            self._known[id(part)] = 0
            self._known[id(part)] = self._counted(part)
        return self._known[id(part)]

    def _counted(self, part: dict[Any, Any]) -> int:
        all_of = sum(map(self.count, _list(part.get("allOf"))))
        choices = (max(map(self.count, _list(part.get(name))), default=0) for name in ("anyOf", "oneOf"))
        return _own(part) + all_of + sum(choices) + self._named(part.get("$ref"))

    def _named(self, reference: Any) -> int:
        """The patterns that a reference leads to; all there are, where it is not by a path: then it may be any part."""
        if not isinstance(reference, str):
            return 0
        found = self._root if reference.startswith("#") else None
        for written in _unescaped(reference[1:]).split("/")[1:]:
            step = written.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and step.isdecimal() and int(step) < len(found):
                found = found[int(step)]
            else:
                found = found.get(step) if isinstance(found, dict) else None
        by_path = reference == "#" or (reference.startswith("#/") and found is not None)
        return self.count(found) if by_path else self._all


def _own(part: Any) -> int:
    return sum(isinstance(part.get(name), str) for name in ("pattern", "format")) if isinstance(part, dict) else 0


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _unescaped(text: str) -> str:
    plain = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), text.encode(errors="replace"))
    return plain.decode(errors="replace")
