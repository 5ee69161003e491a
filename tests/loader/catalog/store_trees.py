"""The stores of other programs, as they lie on a disk."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from tests.loader.catalog.broken_files import KEYS, TEXT, U32, Parts, key, text

LAYER = "application/vnd.ollama.image."


def gguf(name: str = "A model", *more: bytes, architecture: bytes = b"llama") -> bytes:
    """A small whole file; its name makes its content its own."""
    keys = (key("general.architecture", TEXT, text(architecture)), *KEYS[1:])
    return Parts(keys=(*keys, key("general.name", TEXT, text(name.encode())), *more)).encoded()


def adapter(name: str = "A style") -> bytes:
    return gguf(name, key("general.type", TEXT, text(b"adapter")))


def projector(width: int, name: str = "Eyes") -> bytes:
    return gguf(name, key("clip.vision.projection_dim", U32, width.to_bytes(4, "little")), architecture=b"clip")


def model_of_width(width: int, name: str = "A model") -> bytes:
    return gguf(name, key("llama.embedding_length", U32, width.to_bytes(4, "little")))


def put(path: Path, content: bytes | str = b"x" * 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def hugging_face(hub: Path, repo: str, files: dict[str, bytes], *, revision: str = "a" * 40, main: bool = True) -> Path:
    """What huggingface_hub leaves after a download; gives the snapshot's folder."""
    root = hub / f"models--{repo.replace('/', '--')}"
    snapshot = root / "snapshots" / revision
    for name, content in files.items():
        blob = put(root / "blobs" / hashlib.sha256(content).hexdigest(), content)
        link = snapshot / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    if main:
        put(root / "refs" / "main", revision)
    return snapshot


def ollama(root: Path, name: str, layers: list[tuple[str, bytes]], host: str = "registry.ollama.ai") -> Path:
    """What `ollama pull` leaves; gives the manifest. `name`: NAMESPACE/MODEL:TAG; `layers`: kinds and contents."""
    rows: list[dict[str, Any]] = []
    for kind, content in layers:
        digest = hashlib.sha256(content).hexdigest()
        put(root / "blobs" / f"sha256-{digest}", content)
        rows.append({"mediaType": LAYER + kind, "digest": f"sha256:{digest}", "size": len(content)})
    model, _, tag = name.partition(":")
    manifest = {"schemaVersion": 2, "config": {"digest": "sha256:" + "0" * 64}, "layers": rows}
    return put(root / "manifests" / host / model / tag, json.dumps(manifest))


TEMPLATE = key("tokenizer.chat_template", TEXT, text(b"{% if tools %}<tool_call>{% endif %}{{ messages }}"))
