"""What models are called: a short id that is unique, holds no path, and stays when other models come and go."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from jupyter_uml.engine.atomic_file import replacing
from jupyter_uml.loader.catalog.model_files import ModelFiles

MAX_LENGTH = 200  # characters of an id
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_REMEMBERED = 20_000
_MAX_BYTES = 16 << 20


def clean(text: str) -> str:
    """`text` as a part of an id: nothing but letters, digits, dots, dashes and underscores. May be empty."""
    return _NOT_IN_AN_ID.sub("-", text).strip("-.")


def joined(*parts: str, last: str | None = None) -> str:
    """An id `a/b/c`, or `a/b:last`."""
    name = "/".join(filter(None, map(clean, parts))) or "model"
    ending = f":{clean(last)}" if last and clean(last) else ""
    return name[: MAX_LENGTH - len(ending)].rstrip("/-.") + ending


class Names:
    """Gives ids, and remembers on disk which file has which: whoever has a name keeps it.

    A name that is free, as its file is gone, may be given to another one: that keeps it when the first one is back.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._remembered: dict[str, str] | None = {} if path is None else None
        self._dirty = False

    def given(self, models: Sequence[ModelFiles], reserved: set[str]) -> list[str]:
        """An id for each model; none of `reserved`."""
        remembered = self._known()
        ids: dict[int, str] = {}
        taken = set(reserved)
        here = {_key(model) for model in models}
        owners = {name: key for key, name in remembered.items() if key in here}  # of several the last one
        for place, model in enumerate(models):
            name = self.of(model)
            if name and name not in taken and owners[name] == _key(model):
                ids[place] = name
                taken.add(name)
        for place, model in enumerate(models):
            if place not in ids:
                ids[place] = name = next(each for each in _possible(model) if each not in taken)
                taken.add(name)
                remembered.pop(_key(model), None)  # to stand behind those that had the name before
                remembered[_key(model)] = name
                self._dirty = True
        return [ids[place] for place in range(len(models))]

    def of(self, model: ModelFiles) -> str | None:
        """The id that it has had; None: it never had one."""
        name = self._known().get(_key(model))
        return name if name and name.startswith(model.names) else None

    def save(self) -> None:
        """Write what is new. Blocks."""
        if not self._dirty or self._path is None:
            return
        self._dirty = False
        self._remembered = _read(self._path) | self._known()
        kept = dict(list(self._remembered.items())[-_MAX_REMEMBERED:])
        with contextlib.suppress(OSError), replacing(self._path) as file:
            file.write(json.dumps({"version": 1, "names": kept}).encode())

    def _known(self) -> dict[str, str]:
        if self._remembered is None:
            self._remembered = _read(self._path) if self._path else {}
        return self._remembered


def _possible(model: ModelFiles) -> Iterator[str]:
    yield from model.names
    number = 2
    while True:
        yield f"{model.names[-1]}-{number}"
        number += 1


def _key(model: ModelFiles) -> str:
    return f"{model.path}\n{model.names[0]}"


def _read(path: Path) -> dict[str, str]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            return {}
        content = json.loads(path.read_bytes())
        return {str(key): str(name) for key, name in content["names"].items()} if content["version"] == 1 else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
