"""What an answer came from: OpenAI's `system_fingerprint`."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from jupyter_uml import __version__
from jupyter_uml.protocol.endpoint import Verbs


async def fingerprint(service: Verbs, model: str) -> str:
    """Of a loaded model's file, its settings and the engine's build: where it differs, the same seed may, too."""
    status = await service.model(model)
    parts = (status.id, status.size_bytes, status.info and status.info.sha256, status.settings, __version__, _engine())
    return "fp_" + hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


@cache
def _engine() -> str:
    try:
        return version("llama-cpp-python")
    except PackageNotFoundError:  # models run elsewhere
        return ""
