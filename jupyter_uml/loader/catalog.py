"""Finds GGUF files and gives each a name. An id never holds a path, and only ids of this list can be loaded."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jupyter_core.paths import jupyter_data_dir

from jupyter_uml.demo import demo_model_path
from jupyter_uml.errors import ModelNotFound

DEMO = "demo"
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9._-]+")
_PART = re.compile(r"-(\d{5})-of-(\d{5})$")
_RESCAN_SECONDS = 1.0
_PROJECTOR = "mmproj"  # in the names of files that turn images into what a model understands
# Words of file names that say nothing about the model: kinds of files and of numbers (q4-k-m, f16).
_ANY_MODEL = re.compile(r"\b(mmproj|model|ggml|b?f16|f32|i?q\d(-([01klms]|x+[sl]|nl))*)\b")


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A model that could be loaded. `path` is the first file of a split model, `size_bytes` the sum of all.

    `projector`: the file beside it by which it sees images; its bytes are not among the model's.
    """

    id: str
    path: Path
    size_bytes: int
    source: str
    projector: Path | None = None
    projector_bytes: int = 0


def default_model_dir() -> Path:
    """Where models are kept for this user when no other folder is named."""
    return Path(jupyter_data_dir()) / "uml" / "models"


class Catalog:
    """The GGUF files in `folders`, searched with their sub-folders, and the bundled demo model."""

    def __init__(self, folders: Iterable[Path] = (), *, demo: bool = True) -> None:
        self._folders = [Path(folder).expanduser() for folder in folders]
        self._demo = demo
        self._entries: dict[str, CatalogEntry] = {}
        self._scanned_at = -_RESCAN_SECONDS

    def entries(self) -> dict[str, CatalogEntry]:
        """Every model by its id, the demo model first. Files that came or went are noticed within a second."""
        now = time.monotonic()
        if now - self._scanned_at >= _RESCAN_SECONDS:
            self._entries = {entry.id: entry for entry in self._scan()}
            self._scanned_at = now
        return self._entries

    def get(self, model_id: str) -> CatalogEntry:
        """
        Raises:
            ModelNotFound: nothing is called so; the message lists what is.
        """
        entries = self.entries()
        if model_id not in entries:
            raise ModelNotFound(model_id, list(entries))
        return entries[model_id]

    def _scan(self) -> Iterator[CatalogEntry]:
        taken: set[str] = set()
        if self._demo and demo_model_path().exists():
            taken.add(DEMO)
            yield CatalogEntry(DEMO, demo_model_path(), demo_model_path().stat().st_size, "demo")
        for folder in self._folders:
            paths = sorted(folder.rglob("*.gguf"))
            projectors = defaultdict[Path, list[Path]](list)
            for path in paths:
                if _PROJECTOR in path.name.lower():
                    projectors[path.parent].append(path)
            for path in paths:
                try:
                    if not _is_listed(path):
                        continue
                    size = sum(part.stat().st_size for part in _parts(path))
                    projector = _projector(path, projectors.get(path.parent, ()))
                    projector_bytes = projector.stat().st_size if projector else 0
                    f"{path}{projector}".encode()  # a name that is no text cannot be told to a worker
                except (OSError, UnicodeEncodeError):  # went away, a dangling link, a folder we may not read
                    continue
                model_id = _unique(_name(path), taken)
                taken.add(model_id)
                yield CatalogEntry(model_id, path, size, "folder", projector, projector_bytes)


def _is_listed(path: Path) -> bool:
    """Not the later parts of a split model, and not a projector, which is no model by itself."""
    part = _PART.search(path.stem)
    return (part is None or part[1] == "00001") and _PROJECTOR not in path.name.lower() and path.is_file()


def _parts(path: Path) -> list[Path]:
    part = _PART.search(path.stem)
    if part is None:
        return [path]
    return sorted(path.parent.glob(f"{_glob_escaped(path.stem[: part.start()])}-?????-of-{part[2]}.gguf"))


def _projector(path: Path, beside: Iterable[Path]) -> Path | None:
    """Of the projectors beside a model the one that names most of it; one without any model's name fits all."""
    model = _said(path.stem)
    fitting = [projector for projector in beside if _said(projector.stem) in model and projector.is_file()]
    return max(fitting, key=lambda projector: (len(_said(projector.stem)), projector.name), default=None)


def _said(name: str) -> str:
    """What a file's name says about the model: in small letters, single dashes between its words."""
    words = "-".join(re.findall(r"[a-z0-9.]+", name.lower()))
    return re.sub("-+", "-", _ANY_MODEL.sub("", words)).strip("-")


def _glob_escaped(text: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", text)


def _name(path: Path) -> str:
    return _NOT_IN_AN_ID.sub("-", _PART.sub("", path.stem)).strip("-.") or "model"


def _unique(name: str, taken: set[str]) -> str:
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}-{number}", number + 1
    return candidate
