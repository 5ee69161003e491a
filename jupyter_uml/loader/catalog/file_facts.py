"""What people and the loader want to know of a GGUF file, out of all that it says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

from jupyter_uml.engine.formats.detect import chat_format
from jupyter_uml.loader.catalog.gguf_file import GgufFile, Value
from jupyter_uml.loader.catalog.tensor_types import FILE_TYPES
from jupyter_uml.types import Pooling

FileKind = Literal["model", "adapter", "projector", "other"]

_NAME_LENGTH = 200
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef]+")
_TOOLS = re.compile(r"\btools\b")
_POOLING: dict[Value, Pooling] = {1: "mean", 2: "cls", 3: "last", 4: "rank"}
# How tensors of projectors begin. No model of llama.cpp has them in its own file; those of Ollama's own engine do.
_OF_PROJECTORS = ("v.", "a.", "mm.")
# Models that make images or films; other programs keep them in GGUF files, too.
_OF_IMAGES = set(
    "aura chroma cosmos flux hidream hunyuan_video hyvid lumina2 ltxv mochi qwen_image sd1 sd3 sdxl wan z_image".split()
)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """`n_embd` is the width of the model, for a projector the width of the models that it fits; 0: not told.

    `reason` says why llama.cpp cannot load the file as a model; None: nothing speaks against it.
    """

    kind: FileKind
    architecture: str
    parameters: int  # of this file; those of a split model are added up
    quantisation: str
    n_ctx_train: int = 0
    n_embd: int = 0
    name: str | None = None
    has_chat_template: bool = False
    can_use_tools: bool = False
    can_reason: bool = False
    pooling: Pooling | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Without what has its default."""
        defaults = {field.name: field.default for field in fields(self)}
        return {key: value for key, value in asdict(self).items() if value != defaults[key]}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. TypeError: it is none."""
        return cls(**row)


def facts_of(file: GgufFile) -> FileFacts:
    """Pure."""
    metadata = file.metadata
    architecture = _text(metadata.get("general.architecture"))
    kind = _kind(metadata, architecture)
    template = metadata.get("tokenizer.chat_template")
    template = template if isinstance(template, str) and kind == "model" else ""
    width = "clip.vision.projection_dim" if kind == "projector" else f"{architecture}.embedding_length"
    return FileFacts(
        kind=kind,
        architecture=architecture,
        parameters=sum(tensor.n_elements for tensor in file.tensors),
        quantisation=_quantisation(file),
        n_ctx_train=_number(metadata.get(f"{architecture}.context_length")),
        n_embd=_number(metadata.get(width)),
        name=_text(metadata.get("general.name")) or None,
        has_chat_template=bool(template),
        can_use_tools=_TOOLS.search(template) is not None,
        can_reason=bool(template) and chat_format(template).reasons,
        pooling=_POOLING.get(_number(metadata.get(f"{architecture}.pooling_type"))),
        reason=_reason(file, kind, architecture),
    )


def _kind(metadata: Mapping[str, Value], architecture: str) -> FileKind:
    declared = metadata.get("general.type", "model")
    if declared == "adapter":
        return "adapter"
    if declared == "mmproj" or architecture == "clip":
        return "projector"
    return "model" if declared == "model" else "other"


def _reason(file: GgufFile, kind: FileKind, architecture: str) -> str | None:
    if kind == "adapter":
        return "It is a LoRA adapter, which changes a model: name it in `lora` when that model is loaded."
    if kind == "projector":
        return "It is a projector, by which a model sees images or hears: keep it in the folder of its model."
    if kind == "other":
        return f"It holds no model but “{_text(file.metadata.get('general.type'))}”."
    if not architecture:
        return "The file does not say of which architecture its model is. Download another one."
    if architecture in _OF_IMAGES:
        return f"It makes images ({architecture}); language models can be loaded here."
    if any(tensor.name.startswith(_OF_PROJECTORS) for tensor in file.tensors):
        return (
            "It is made for Ollama's own engine, with its projector in the same file, which llama.cpp does not load. "
            "Pull a GGUF of it from Hugging Face's hub."
        )
    if not file.tensors and _number(file.metadata.get("split.count")) < 2:
        return "It holds a vocabulary only, without a model."
    return None


def _quantisation(file: GgufFile) -> str:
    """As the file says, else the type of most of its bytes."""
    declared = FILE_TYPES.get(_number(file.metadata.get("general.file_type"), -1))
    if declared:
        return declared
    n_bytes = Counter[str]()
    for tensor in file.tensors:
        n_bytes[tensor.type] += tensor.n_bytes
    return max(n_bytes, key=lambda name: n_bytes[name], default="")


def _number(value: Value | None, otherwise: int = 0) -> int:
    return value if type(value) is int else otherwise


def _text(value: Value | None) -> str:
    return _UNPRINTABLE.sub(" ", value).strip()[:_NAME_LENGTH] if isinstance(value, str) else ""
