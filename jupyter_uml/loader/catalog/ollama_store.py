"""Ollama's store: manifests/HOST/NAMESPACE/MODEL/TAG is JSON that names the blobs a model is made of.

From version 0.40 on it is manifests-v2/… and a link to a blob, which may be a list of manifests, one for each engine
that Ollama has. What was pulled before stays where it is. Layout: `manifest/manifest.go` and `paths.go` of Ollama.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from jupyter_uml.loader.catalog.facts_cache import FactsCache, FoundFile
from jupyter_uml.loader.catalog.folder_tree import FolderTree, Parts, found_file
from jupyter_uml.loader.catalog.model_files import ModelDefaults, ModelFiles
from jupyter_uml.loader.catalog.names import joined
from jupyter_uml.loader.catalog.setting_fields import SAMPLING, SETTINGS, frozen
from jupyter_uml.types import LoadSettings

_FOLDERS = ("manifests-v2", "manifests")
_HOSTS, _NAMESPACE = ("registry.ollama.ai", "ollama.com"), "library"  # of the models whose names have neither
_ENGINES = ("llamacpp", "ollama", "", "mlx")  # the best for us first
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")
_LAYER = "application/vnd.ollama.image."
_NEEDED = ("model", "projector", "adapter")
_KINDS = (*_NEEDED, "system", "params", "tensor")
_MAX_BYTES = 1 << 20  # of a manifest, and of a layer that is text
_SETTINGS = {"num_ctx": "n_ctx", "num_gpu": "n_gpu_layers", "num_thread": "n_threads"}
_SAMPLING = {"num_predict": "max_tokens"}

_CLOUD = "It runs on Ollama's servers: there is no file of it here."
_IMPORTED = (
    "Ollama keeps it as safetensors. Pull a GGUF of it, or convert the model with llama.cpp's convert_hf_to_gguf.py."
)
_GONE = "A file of it is missing in Ollama's store: pull it again."


class OllamaStore:
    """A model of Ollama's is a file together with a system prompt, settings and adapters."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._trees = [FolderTree(root / name, lambda name: not name.startswith(".")) for name in _FOLDERS]

    def scan(self, cache: FactsCache) -> Sequence[ModelFiles]:
        manifests = dict[str, FoundFile]()
        for tree in self._trees:
            for folder in tree.scan():
                for file in folder.files if len(folder.parts) == 3 else ():
                    manifests.setdefault(_name(folder.parts, file.path.name), file)
        return [model for name, file in sorted(manifests.items()) if (model := self._model(name, file)) is not None]

    def _model(self, name: str, manifest: FoundFile) -> ModelFiles | None:
        layers = _layers(self._chosen(_json(manifest)))
        if layers is None:
            return None
        blobs = {kind: tuple(filter(None, map(self._blob, layers[kind]))) for kind in _KINDS}
        complete = all(len(blobs[kind]) == len(layers[kind]) for kind in _NEEDED)
        model = blobs["model"][:1]
        return ModelFiles(
            path=model[0].path if model else manifest.path,
            files=model,
            source="ollama",
            names=(name,),
            aliases=(name.removesuffix(":latest"),) if name.endswith(":latest") else (),
            projectors=blobs["projector"],
            adapters=blobs["adapter"],
            defaults=_defaults(blobs),
            sha256=layers["model"][0] if model else None,
            variant="+".join((*layers["adapter"], *layers["system"], *_own_params(layers, blobs))),
            reason=_reason(layers, complete),
        )

    def _chosen(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """The manifest itself, or the best one of a list."""
        listed = manifest.get("manifests")
        if not isinstance(listed, list):
            return manifest
        known = {str(row.get("runner") or "").lower(): row for row in reversed(listed) if isinstance(row, dict)}
        best = next((known[engine] for engine in _ENGINES if engine in known), {})
        digest = _DIGEST.fullmatch(str(best.get("digest")))
        if "layers" in best or digest is None:
            return best
        blob = self._blob(digest[1])
        return _json(blob) if blob else {}

    def _blob(self, digest: str) -> FoundFile | None:
        """The file with this SHA-256; the name's separator was a colon once."""
        blobs = self._root / "blobs"
        return found_file(blobs / f"sha256-{digest}") or found_file(blobs / f"sha256:{digest}")


def _layers(manifest: dict[str, Any]) -> Mapping[str, tuple[str, ...]] | None:
    """The SHA-256 sums of a model's layers, by their kind; None: it is no manifest."""
    layers: dict[str, tuple[str, ...]] = dict.fromkeys(_KINDS, ())
    try:
        for layer in manifest["layers"]:
            kind = str(layer["mediaType"]).split(";")[0].removeprefix(_LAYER)
            digest = _DIGEST.fullmatch(str(layer["digest"]))
            if kind in layers and digest:
                layers[kind] += (digest[1],)
    except (KeyError, TypeError):
        return None
    return layers


def _reason(layers: Mapping[str, tuple[str, ...]], complete: bool) -> str | None:
    if layers["tensor"]:
        return _IMPORTED
    if not layers["model"]:
        return _CLOUD
    return None if complete else _GONE


def _name(parts: Parts, tag: str) -> str:
    host, namespace, model = parts
    if host not in _HOSTS:
        return joined(host, namespace, model, last=tag)
    return joined(model, last=tag) if namespace == _NAMESPACE else joined(namespace, model, last=tag)


def _own_params(layers: Mapping[str, tuple[str, ...]], blobs: Mapping[str, tuple[FoundFile, ...]]) -> tuple[str, ...]:
    """The settings' sum, where they are more than the stop strings that every copy of the model has."""
    return layers["params"] if any(set(_json(file)) - {"stop"} for file in blobs["params"]) else ()


def _defaults(blobs: Mapping[str, tuple[FoundFile, ...]]) -> ModelDefaults | None:
    """What cannot be set here, or is out of bounds, is passed over."""
    options = _json(blobs["params"][0]) if blobs["params"] else {}
    system = _read(blobs["system"][0]).decode(errors="replace").strip() if blobs["system"] else ""
    settings = {_SETTINGS[name]: value for name, value in options.items() if name in _SETTINGS}
    settings = {name: value for name, value in settings.items() if SETTINGS[name].accepts(value)}
    sampling = {_SAMPLING.get(name, name): value for name, value in options.items()}
    sampling = {
        name: frozen(value) for name, value in sampling.items() if name in SAMPLING and SAMPLING[name].accepts(value)
    }
    if not (system or settings or sampling):
        return None
    return ModelDefaults(LoadSettings(**settings), sampling, system or None)


def _json(file: FoundFile) -> dict[str, Any]:
    try:
        content = json.loads(_read(file))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


@lru_cache(maxsize=1024)
def _read(file: FoundFile) -> bytes:
    if file.size > _MAX_BYTES:
        return b""
    try:
        return file.path.read_bytes()
    except OSError:
        return b""
