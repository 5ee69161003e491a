"""The files that make up one model: the parts of a split one, and the projectors by which it sees."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jupyter_uml.loader.catalog.facts_cache import FactsCache, FoundFile
from jupyter_uml.loader.catalog.file_facts import FileFacts
from jupyter_uml.loader.catalog.folder_tree import Folder
from jupyter_uml.loader.catalog.gguf_file import BrokenFile
from jupyter_uml.types import LoadSettings

Source = Literal["demo", "folder", "huggingface", "lmstudio", "ollama", "profile"]

_PART = re.compile(r"-(\d{5})-of-(\d{5})$")
_PROJECTOR = "mmproj"  # in the names of files that turn images into what a model understands
# Words of file names that say nothing about the model: kinds of files and of numbers (q4-k-m, f16).
_ANY_MODEL = re.compile(r"\b(mmproj|model|ggml|b?f16|f32|i?q\d(-([01klms]|x+[sl]|nl))*)\b")


@dataclass(frozen=True, slots=True)
class ModelDefaults:
    """What a profile, or an Ollama model, asks for where a caller asks for nothing else."""

    settings: LoadSettings = field(default_factory=LoadSettings)
    sampling: Mapping[str, Any] = field(default_factory=dict)  # fields of `SamplingParams`
    system_prompt: str | None = None
    keep_alive: float | None = None  # seconds without a request after which it is unloaded; 0: at once; -1: never
    pin: bool = False  # never unloaded to make room


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model as it lies on the disk, before it is decided what it is called."""

    path: Path  # what llama.cpp is given: the first file; the folder of what it cannot load
    files: tuple[FoundFile, ...]
    source: Source
    names: tuple[str, ...]  # ids that it could have, the friendliest first
    aliases: tuple[str, ...] = ()
    projectors: tuple[FoundFile, ...] = ()  # that could belong to it, the best first
    adapters: tuple[FoundFile, ...] = ()  # always applied
    defaults: ModelDefaults | None = None
    sha256: str | None = None  # where the store tells it
    variant: str = ""  # of two models with the same file: what sets them apart; empty: nothing
    format: str = "gguf"
    reason: str | None = None  # why it cannot be loaded, as far as it can be seen from outside

    @property
    def size_bytes(self) -> int:
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class GgufGroup:
    """A model of one folder. `stem`: its file's name without ending and number of the part."""

    stem: str
    files: tuple[FoundFile, ...]
    projectors: tuple[FoundFile, ...]
    reason: str | None

    @property
    def path(self) -> Path:
        return self.files[0].path


def gguf_groups(folder: Folder, cache: FactsCache, above: Folder | None = None) -> Iterator[GgufGroup]:
    """The models among a folder's GGUF files; their projectors may lie in the folder `above`, too.

    Projectors are told by their names, and by their metadata once that is known.
    """
    files = [file for file in folder.files if file.path.suffix.lower() == ".gguf"]
    around = [*files, *(above.files if above else ())]
    projectors = [file for file in around if _is_projector(file, cache.facts(file.identity))]
    models = defaultdict[tuple[str, int], list[FoundFile]](list)
    for file in files:
        if file not in projectors:
            part = _PART.search(file.path.stem)
            key = (file.path.stem[: part.start()], int(part[2])) if part else (file.path.stem, 0)
            models[key].append(file)
    for (stem, n_parts), parts in models.items():
        yield GgufGroup(stem, tuple(parts), _fitting(stem, projectors), _missing(len(parts), n_parts))


def says_nothing(stem: str) -> bool:
    """Whether a file has a name that any model could have: `model`, `ggml-model-q4_0`."""
    return not _said(stem)


def _missing(found: int, wanted: int) -> str | None:
    if found >= wanted:
        return None
    return f"{wanted - found} of its {wanted} files are missing. Download them into the same folder."


def _is_projector(file: FoundFile, facts: FileFacts | BrokenFile | None) -> bool:
    if isinstance(facts, FileFacts):
        return facts.kind == "projector"
    name = file.path.name.lower()
    return _PROJECTOR in name and name.endswith(".gguf")


def _fitting(stem: str, projectors: Iterable[FoundFile]) -> tuple[FoundFile, ...]:
    """First those that name most of the model; one without any model's name fits all."""
    model = _said(stem)
    fitting = [file for file in projectors if _said(file.path.stem) in model]
    return tuple(sorted(fitting, key=lambda file: (len(_said(file.path.stem)), file.path.name), reverse=True))


def _said(name: str) -> str:
    """What a file's name says about the model: in small letters, single dashes between its words."""
    words = "-".join(re.findall(r"[a-z0-9.]+", name.lower()))
    return re.sub("-+", "-", _ANY_MODEL.sub("", words)).strip("-")
