"""What a projector, which turns images into embeddings, takes beside its model."""

from __future__ import annotations

from jupyter_uml.loader.catalog.gguf_file import GgufFile, Value

EMBEDDINGS_BYTES = 256 << 20  # of images seen lately, at most: `CACHE_BYTES` of `engine/projector.py`
_FLOAT = 4
_BUFFERS, _HIDDEN = 6, 2  # of that width live at once at the widest place of a layer


def projector_bytes(gguf: GgufFile) -> int:
    """Bytes of weights, and of the buffers for one image."""
    return sum(tensor.n_bytes for tensor in gguf.tensors) + _compute(gguf)


def _compute(gguf: GgufFile) -> int:
    def number(name: str) -> int:
        return _whole(gguf.metadata.get(f"clip.vision.{name}", 0))

    patches = (number("image_size") // max(1, number("patch_size"))) ** 2
    widths = _BUFFERS * number("embedding_length") + _HIDDEN * number("feed_forward_length")
    return _FLOAT * patches * (widths + number("attention.head_count") * patches)


def _whole(value: Value) -> int:
    return max(0, int(value)) if isinstance(value, (int, float)) and abs(value) < 1 << 20 else 0
