"""Where models lie on this machine: folders, and the stores of Hugging Face, LM Studio and Ollama."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from jupyter_uml.demo import demo_model_path
from jupyter_uml.loader.catalog.facts_cache import FactsCache
from jupyter_uml.loader.catalog.folder_tree import Folder, FolderTree, Parts, found_file
from jupyter_uml.loader.catalog.model_files import (
    GgufGroup,
    ModelFiles,
    Source,
    gguf_groups,
    says_nothing,
)
from jupyter_uml.loader.catalog.names import joined
from jupyter_uml.loader.catalog.ollama_store import OllamaStore
from jupyter_uml.loader.catalog.other_formats import is_of_other_format, other_models, reason_for
from jupyter_uml.loader.hub.quantisations import quantisation_of, without_quantisation

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_TEXT = 1 << 20  # bytes of a file with settings
_REPO = "models--"  # how Hugging Face's cache begins the folder of a model: models--OWNER--NAME


class Store(Protocol):
    """A place with models. `scan` blocks, does not read them, and is quick when it is called again."""

    def scan(self, cache: FactsCache) -> Sequence[ModelFiles]: ...


class DemoStore:
    """The model that is bundled."""

    def scan(self, cache: FactsCache) -> Sequence[ModelFiles]:
        file = found_file(demo_model_path())
        return [ModelFiles(file.path, (file,), "demo", ("demo",))] if file else []


class FolderStore:
    """A folder of a person. `source`: LM Studio's has the same form, OWNER/NAME/FILE.gguf."""

    def __init__(self, root: Path, source: Source = "folder") -> None:
        self._tree, self._source = FolderTree(root, _is_wanted), source
        self._root_name = root.name
        self._seen: tuple[list[Folder], int] | None = None
        self._found: Sequence[ModelFiles] = ()

    def scan(self, cache: FactsCache) -> Sequence[ModelFiles]:
        seen = self._tree.scan(), cache.revision
        if seen != self._seen:
            self._seen = seen
            self._found = [*self._models(seen[0], cache), *self._others(seen[0])]
        return self._found

    def _models(self, folders: Sequence[Folder], cache: FactsCache) -> Iterator[ModelFiles]:
        for folder, group in _groups(folders, cache):
            owner, repo = folder.parts[:2] if len(folder.parts) > 1 else ("", "")
            yield _model(group, self._source, self._names(folder.parts, group.stem), _aliases(owner, repo, group.stem))

    def _others(self, folders: Sequence[Folder]) -> Iterator[ModelFiles]:
        for folder, weights, kind in other_models(folders):
            alone = len(weights) == 1 and not any(file.path.name.endswith(".json") for file in folder.files)
            path = weights[0].path if alone else folder.path
            stem = path.stem if alone else folder.path.name
            names = self._names(folder.parts if alone else folder.parts[:-1], stem)
            yield ModelFiles(path, weights, self._source, names, format=kind, reason=reason_for(kind))

    def _names(self, parts: Parts, stem: str) -> tuple[str, ...]:
        """The file's name; where it says nothing the folder's. To set two apart: the folders, from the nearest on."""
        above = parts or (self._root_name,)
        if parts and says_nothing(stem):
            quantisation = quantisation_of(stem)
            stem = f"{parts[-1]}-{quantisation}" if quantisation else parts[-1]
            above = parts[:-1] or (self._root_name,)
        return tuple(joined(*above[start:], stem) for start in range(len(above), -1, -1))


class HuggingFaceStore:
    """The cache of huggingface_hub: models--OWNER--NAME/snapshots/REVISION/FILE are links to ../../blobs/SUM.

    Of several revisions the one that `refs/main` names comes first, then the one that was downloaded last. Tools move
    `main` on when they download a single file, so what is not there any more keeps its name in the revision before.
    """

    def __init__(self, root: Path) -> None:
        self._tree = FolderTree(root, _is_wanted, _is_snapshot)
        self._seen: tuple[list[Folder], dict[str, str], int] | None = None
        self._found: Sequence[ModelFiles] = ()

    def scan(self, cache: FactsCache) -> Sequence[ModelFiles]:
        folders = self._tree.scan()
        main = {folder.parts[0]: self._main(folder.parts[0]) for folder in folders}
        seen = folders, main, cache.revision
        if seen != self._seen:
            self._seen = seen
            folders = sorted(folders, key=lambda folder: (folder.parts[0].lower(), *_age(folder, main)))
            self._found = [*self._models(folders, cache), *self._others(folders)]
        return self._found

    def _models(self, folders: Sequence[Folder], cache: FactsCache) -> Iterator[ModelFiles]:
        newest = dict[tuple[str, ...], str]()  # revision of each file, by repository and path
        for folder, group in _groups(folders, cache):
            owner, repo = _owner_and_name(folder.parts[0])
            name = (folder.parts[0], *folder.parts[3:], group.stem)
            current = newest.setdefault(name, folder.parts[2]) == folder.parts[2]
            stem = group.stem
            if says_nothing(stem):
                stem = "-".join(filter(None, (repo, quantisation_of(stem))))
            names = _with_revision(
                (stem,), (owner, stem), (owner, repo, stem), revision="" if current else folder.parts[2]
            )
            sha256 = _sum_in_link(group.path) if len(group.files) == 1 else None
            yield _model(group, "huggingface", names, _aliases(owner, repo, group.stem) if current else (), sha256)

    def _others(self, folders: Sequence[Folder]) -> Iterator[ModelFiles]:
        listed = set[str]()
        for folder, weights, kind in other_models(folders):
            owner, repo = _owner_and_name(folder.parts[0])
            if folder.parts[0] not in listed and len(folder.parts) == 3:
                listed.add(folder.parts[0])
                names = (joined(repo), joined(owner, repo))
                yield ModelFiles(folder.path, weights, "huggingface", names, format=kind, reason=reason_for(kind))

    def _main(self, repo: str) -> str:
        """The revision that is called main; empty where none is."""
        return _text(self._tree.root / repo / "refs" / "main").strip()


def user_stores(environment: Mapping[str, str] = os.environ, home: Path | None = None) -> list[Store]:
    """The stores of other programs, where the user's settings say that they are, else at their usual places."""
    home = home or Path.home()
    ollama = [Path(environment["OLLAMA_MODELS"])] if environment.get("OLLAMA_MODELS") else _OLLAMA_FOLDERS
    return [
        HuggingFaceStore(hub_cache(environment, home)),
        *(FolderStore(folder, "lmstudio") for folder in _lm_studio_folders(home)),
        *(OllamaStore(home / folder) for folder in ollama),
    ]


def hub_cache(environment: Mapping[str, str], home: Path) -> Path:
    """Where Hugging Face's tools keep what they download."""
    own = Path(environment.get("HF_HOME") or Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "huggingface")
    named = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE") or own / "hub"
    return Path(os.path.expandvars(named)).expanduser()


# Ollama's own, and that of the service which its installer for Linux sets up.
_OLLAMA_FOLDERS = [Path(".ollama/models"), Path("/usr/share/ollama/.ollama/models")]


def _lm_studio_folders(home: Path) -> list[Path]:
    """Its home may be elsewhere, as a pointer in the user's home says, and its settings may name another folder."""
    pointer = _text(home / ".lmstudio-home-pointer").strip()
    homes = [*([Path(pointer)] if pointer else []), home / ".lmstudio", home / ".cache" / "lm-studio"]
    named = []
    for place in homes:
        try:
            folder = json.loads(_text(place / "settings.json") or "{}").get("downloadsFolder")
        except (ValueError, AttributeError, RecursionError):
            continue
        if isinstance(folder, str) and folder:
            named.append(Path(folder).expanduser())
    return list(dict.fromkeys([*named, *(place / "models" for place in homes)]))


def _is_wanted(name: str) -> bool:
    return name.lower().endswith(".gguf") or is_of_other_format(name)


def _is_snapshot(parts: Parts) -> bool:
    return parts[0].startswith(_REPO) and (len(parts) < 2 or parts[1] == "snapshots")


def _age(folder: Folder, main: Mapping[str, str]) -> tuple[bool, int]:
    """What sorts the revisions of a repository."""
    return folder.parts[2] != main[folder.parts[0]], -max(file.identity.mtime_ns for file in folder.files)


def _owner_and_name(folder: str) -> tuple[str, str]:
    owner, _, name = folder.removeprefix(_REPO).rpartition("--")
    return owner, name


def _groups(folders: Sequence[Folder], cache: FactsCache) -> Iterator[tuple[Folder, GgufGroup]]:
    by_parts = {folder.parts: folder for folder in folders}
    for folder in folders:
        above = by_parts.get(folder.parts[:-1]) if folder.parts and _is_quantisation(folder.parts[-1]) else None
        for group in gguf_groups(folder, cache, above):
            yield folder, group


def _is_quantisation(name: str) -> bool:
    """Whether a folder is called after a quantisation alone: then what lies above it is of the same model."""
    return quantisation_of(name) is not None and not without_quantisation(name)


def _model(
    group: GgufGroup, source: Source, names: tuple[str, ...], aliases: tuple[str, ...], sha256: str | None = None
) -> ModelFiles:
    return ModelFiles(
        group.path, group.files, source, names, aliases, group.projectors, sha256=sha256, reason=group.reason
    )


def _aliases(owner: str, repo: str, stem: str) -> tuple[str, ...]:
    """As the model is called where it comes from: OWNER/NAME:QUANTISATION, and without the latter."""
    if not (owner and repo):
        return ()
    quantisation = quantisation_of(stem)
    return (*((joined(owner, repo, last=quantisation),) if quantisation else ()), joined(owner, repo))


def _with_revision(*names: tuple[str, ...], revision: str) -> tuple[str, ...]:
    ending = f"-{revision[:7]}" if revision else ""
    return tuple(dict.fromkeys(joined(*name[:-1], name[-1] + ending) for name in names))


def _sum_in_link(path: Path) -> str | None:
    try:
        name = os.path.basename(os.readlink(path))
    except OSError:  # a file of its own, as on systems without links
        return None
    return name if _SHA256.fullmatch(name) else None


def _text(path: Path) -> str:
    """The content of a small text file; empty where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(_MAX_TEXT).decode(errors="replace")
    except OSError:
        return ""
