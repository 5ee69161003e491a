"""What stands in a message: texts and images in order, as the native types hold them."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_uml.protocol.images import without_marks
from jupyter_uml.types import IMAGE_MARK


def native_content(parts: Iterable[str | bytes]) -> tuple[str, tuple[bytes, ...]]:
    """`Message.content` and `Message.images` of texts (str) and encoded images (bytes)."""
    kept = list(parts)
    text = "".join(without_marks(part) if isinstance(part, str) else IMAGE_MARK for part in kept)
    return text, tuple(part for part in kept if isinstance(part, bytes))
