"""What a repository of the hub has, sorted by what can be loaded: models with all their parts, and projectors."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from jupyter_uml.loader.hub.quantisations import quantisation_of, without_quantisation

_PART = re.compile(r"-(\d{5})-of-(\d{5})$")
# Projectors, statistics for quantising (many a model that was quantised by them says so, too), layers that guess ahead.
_NO_MODEL = re.compile(r"mmproj|^imatrix|imatrix$|^mtp-", re.IGNORECASE)
_STATISTICS = re.compile(r"imatrix", re.IGNORECASE)
_WORDS = re.compile(r"[A-Z0-9.]+")
_OF_PROJECTORS = {"MMPROJ", "MODEL", "GGML"}  # words of their names that tell nothing of the model
_PROJECTORS = ("F16", "BF16", "Q8_0", "F32")  # what llama.cpp computes images with, the usual one first
FORMATS = {
    ".safetensors": "safetensors",
    ".bin": "PyTorch",
    ".pt": "PyTorch",
    ".pth": "PyTorch",
    ".onnx": "ONNX",
    ".mlmodel": "Core ML",
    ".tflite": "TensorFlow Lite",
    ".h5": "Keras",
    ".msgpack": "Flax",
    ".npz": "NumPy",
    ".nemo": "NeMo",
    ".litertlm": "LiteRT",
}


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository. `digest`: the SHA-256 of its content, or git's SHA-1 (40 digits) of a small file."""

    path: str
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A model in one quantisation; None where the file does not tell which. `files`: its parts in order."""

    quantisation: str | None
    files: tuple[HubFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def name(self) -> str:
        """The path of its first file."""
        return self.files[0].path

    @property
    def model(self) -> str:
        """What is in it, whatever the quantisation: repositories may hold more than one."""
        return without_quantisation(_stem(self.name))


@dataclass(frozen=True)
class Listing:
    """The GGUF files of a repository at one commit, and which other formats of models are there."""

    repo: str
    commit: str
    files: tuple[HubFile, ...]
    other_formats: tuple[str, ...] = ()

    @cached_property
    def offers(self) -> tuple[Offer, ...]:
        """The models, the largest first. A split one of which parts are missing is none."""
        sets = defaultdict[str, list[HubFile]](list)
        for file in self.files:
            if _is_model(file.path):
                sets[_stem(file.path, folder=True)].append(file)
        found = [offer for files in sets.values() if (offer := _offer(files))]
        return tuple(sorted(found, key=lambda offer: (-offer.size_bytes, offer.name)))

    @cached_property
    def projectors(self) -> tuple[HubFile, ...]:
        """The files by which the models here see images, the usual kind first."""
        files = [file for file in self.files if "mmproj" in PurePosixPath(file.path).name.lower()]
        return tuple(sorted(files, key=lambda file: (_usual(file.path), file.path)))

    def projector(self, offer: Offer) -> HubFile | None:
        """That of this model: in its folder and with its name, if there is one, else one that names no other model."""
        model, alone = _said(offer.model), len({each.model for each in self.offers}) == 1
        folder = PurePosixPath(offer.name).parent
        fitting = [file for file in self.projectors if _said(file.path) in model]
        return min(
            fitting or (self.projectors if alone else ()),
            key=lambda file: (PurePosixPath(file.path).parent != folder, -len(_said(file.path))),
            default=None,
        )


def formats_among(paths: Iterable[str]) -> tuple[str, ...]:
    """Formats of models, other than GGUF, that these files have."""
    return tuple(sorted({FORMATS[kind] for path in paths if (kind := PurePosixPath(path).suffix.lower()) in FORMATS}))


def _is_model(path: str) -> bool:
    stem = PurePosixPath(path).stem
    return not _NO_MODEL.search(stem) and not (_STATISTICS.search(stem) and quantisation_of(stem) is None)


def _said(path: str) -> str:
    """What a projector's name says of the model that it belongs to."""
    words = _WORDS.findall(without_quantisation(PurePosixPath(path.removesuffix(".gguf")).name))
    return "-".join(word for word in words if word not in _OF_PROJECTORS)


def _offer(files: list[HubFile]) -> Offer | None:
    files = sorted(files, key=lambda file: file.path)
    part = _PART.search(PurePosixPath(files[0].path).stem)
    if len(files) != (int(part[2]) if part else 1):
        return None
    return Offer(quantisation_of(_stem(files[0].path, folder=True)), tuple(files))


def _stem(path: str, *, folder: bool = False) -> str:
    """Without the ending, and without which part of a split model it is; parts of another number are others."""
    pure = PurePosixPath(path)
    stem = _PART.sub(lambda part: f"-of-{part[2]}" if folder else "", pure.stem)
    return str(pure.with_name(stem)) if folder else stem


def _usual(path: str) -> int:
    kind = quantisation_of(path)
    return _PROJECTORS.index(kind) if kind in _PROJECTORS else len(_PROJECTORS)
