"""What an answer came from: OpenAI's `system_fingerprint`."""

from __future__ import annotations

import hashlib

from jupyter_uml.protocol.endpoint import Verbs


async def fingerprint(service: Verbs, model: str) -> str:
    """Of a loaded model's file, template and settings, and of what computes: where it differs, the same seed may, too.

    `info` is of the file that was loaded, whatever is in its place by now.
    """
    status = await service.model(model)
    parts = (status.id, status.size_bytes, status.info, status.settings)
    return "fp_" + hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
