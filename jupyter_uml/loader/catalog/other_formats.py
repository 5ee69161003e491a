"""Models that llama.cpp cannot load: each is listed with the reason, and with what would help."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from jupyter_uml.loader.catalog.facts_cache import FoundFile
from jupyter_uml.loader.catalog.folder_tree import Folder

_PULL = "pull a GGUF of it"
_CONVERT = f"Convert it with llama.cpp's convert_hf_to_gguf.py, or {_PULL}."
_ORIGINAL = f"P{_PULL[1:]}, or convert the original model, which is not quantised."
_OLD_GGML = f"Convert it with llama.cpp's convert_llama_ggml_to_gguf.py, or {_PULL}."

REASONS = {
    "safetensors": f"Its weights are safetensors files, which llama.cpp does not load. {_CONVERT}",
    "pytorch": f"Its weights are PyTorch files, which llama.cpp does not load. {_CONVERT}",
    "ggml": f"It is a GGML file, as they were before GGUF, which llama.cpp no longer loads. {_OLD_GGML}",
    "mlx": f"It is made for Apple's MLX. {_ORIGINAL}",
    "peft": "It is a LoRA adapter in PEFT's format. Convert it with llama.cpp's convert_lora_to_gguf.py.",
    "diffusers": "It makes images; language models can be loaded here.",
    "onnx": f"It is an ONNX model. {_ORIGINAL}",
    "tensorflow": f"Its weights are TensorFlow or Flax files. {_CONVERT}",
    "tflite": f"It is a TensorFlow Lite model. {_ORIGINAL}",
    "coreml": f"It is made for Apple's Core ML. {_ORIGINAL}",
    "openvino": f"It is made for OpenVINO. {_ORIGINAL}",
    "tensorrt": f"It is made for one kind of GPU by TensorRT. {_ORIGINAL}",
    "nemo": f"It is a NeMo file. {_ORIGINAL}",
    "llamafile": "It is a program with a GGUF file inside: unzip the .gguf file out of it.",
}
# By the end of a weight file's name. In a folder with several kinds the first one counts.
_FORMATS = {
    ".safetensors": "safetensors",
    ".ggml": "ggml",
    ".bin": "pytorch",
    ".pth": "pytorch",
    ".pt": "pytorch",
    ".ckpt": "pytorch",
    ".npz": "mlx",
    ".onnx": "onnx",
    ".h5": "tensorflow",
    ".msgpack": "tensorflow",
    ".tflite": "tflite",
    ".mlmodel": "coreml",
    ".engine": "tensorrt",
    ".nemo": "nemo",
    ".llamafile": "llamafile",
}
_ALONE = {"safetensors", "ggml", "onnx", "tflite", "coreml", "nemo", "llamafile"}  # a model also without a config.json
_CONFIG, _ADAPTER, _PIPELINE = "config.json", "adapter_config.json", "model_index.json"
_MAX_CONFIG = 1 << 20  # bytes


def is_of_other_format(name: str) -> bool:
    """Whether a file of this name tells of such a model."""
    return Path(name).suffix.lower() in _FORMATS or name in (_CONFIG, _ADAPTER, _PIPELINE)


def other_models(folders: Sequence[Folder]) -> Iterator[tuple[Folder, tuple[FoundFile, ...], str]]:
    """Folder, weight files and format of each. What lies below a folder with a config.json belongs to it; without one
    each file is a model of its own. Folders that hold a GGUF file, too, are left out: that one is there to be loaded.
    """
    by_parts = {folder.parts: folder for folder in folders}
    owned = defaultdict[tuple[str, ...], list[FoundFile]](list)
    for folder in folders:
        weights = [file for file in folder.files if file.path.suffix.lower() in _FORMATS]
        if (owner := _owner(folder, by_parts)) is not None:
            owned[owner].extend(weights)
            continue
        for file in weights:
            if (kind := _format_of(file)) in _ALONE:
                yield folder, (file,), kind
    with_gguf = [folder.parts for folder in folders if any(f.path.suffix.lower() == ".gguf" for f in folder.files)]
    for parts, weights in owned.items():
        if weights and not any(each[: len(parts)] == parts for each in with_gguf):
            yield by_parts[parts], tuple(weights), _format(by_parts[parts], weights)


def _owner(folder: Folder, by_parts: Mapping[tuple[str, ...], Folder]) -> tuple[str, ...] | None:
    """The topmost folder with a configuration, this one or one above it."""
    for length in range(len(folder.parts) + 1):
        above = by_parts.get(folder.parts[:length])
        if above is not None and any(file.path.name in (_CONFIG, _ADAPTER, _PIPELINE) for file in above.files):
            return above.parts
    return None


def _format(folder: Folder, weights: Sequence[FoundFile]) -> str:
    names = {file.path.name: file for file in folder.files}
    if _PIPELINE in names:
        return "diffusers"
    if _ADAPTER in names:
        return "peft"
    found = {_format_of(file) for file in weights}
    kind = next(kind for kind in _FORMATS.values() if kind in found)
    config = _config(names[_CONFIG]) if _CONFIG in names and kind in ("safetensors", "pytorch") else {}
    method = config.get("quantization_config")
    if isinstance(method, dict) and isinstance(method.get("quant_method"), str):
        return str(method["quant_method"][:20]).upper()
    return "mlx" if isinstance(config.get("quantization"), dict) else kind


def reason_for(kind: str) -> str:
    return REASONS.get(kind) or f"It is quantised for other engines ({kind}). {_ORIGINAL}"


def _format_of(file: FoundFile) -> str:
    name = file.path.name.lower()
    return "ggml" if name.startswith("ggml-") and name.endswith(".bin") else _FORMATS[file.path.suffix.lower()]


@lru_cache(maxsize=4096)
def _config(file: FoundFile) -> dict[str, Any]:
    if file.size > _MAX_CONFIG:
        return {}
    try:
        config = json.loads(file.path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}
