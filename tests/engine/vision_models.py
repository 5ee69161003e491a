"""Makes tiny models that see: text models of random weights, projectors that fit them, and images to look at.

Each pair needs another treatment: LLaVA's rows are tokens like others, those of Gemma 3 see each other whole, and those
of Qwen2-VL stand in two dimensions.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from tests.engine.tiny_models import N_EMBD, N_FF, N_HEAD, Weights, feed_forward, finish, gemma3, n_vocab, write

PATCH = 14  # pixels on a side


def llava(folder: Path, *, seed: int = 11) -> Path:
    """A llama and a projector of 16 rows an image."""
    projector(folder / "mmproj-llava.gguf", "mlp", side=4 * PATCH, seed=seed)
    return llama(folder / "llava.gguf", "llama", {"rope.dimension_count": N_EMBD // N_HEAD})


def gemma3_vision(folder: Path, *, seed: int = 12, side: int = 8) -> Path:
    """`side`² / 4 rows an image, which all see each other; texts of the vocabulary stand before and behind them."""
    projector(folder / "mmproj-gemma.gguf", "gemma3", side=side * PATCH, seed=seed, merge=2)
    return gemma3(folder / "gemma.gguf")


def qwen2vl(folder: Path, *, seed: int = 13) -> Path:
    """Rows in a rectangle like the image's; what follows comes as many positions later as its longer side has rows."""
    projector(folder / "mmproj-qwen.gguf", "qwen2vl_merger", side=16 * PATCH, seed=seed)
    return llama(folder / "qwen.gguf", "qwen2vl", {"rope.dimension_sections": [2, 3, 3, 0]})


def llama(path: Path, architecture: str, keys: Mapping[str, Any], *, seed: int = 10) -> Path:
    weights = Weights(seed)
    weights.matrix("token_embd.weight", n_vocab(), N_EMBD, scale=1)
    weights.ones("output_norm.weight")
    weights.matrix("output.weight", n_vocab(), N_EMBD, scale=0.5)
    for i in (0, 1):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights.matrix(f"blk.{i}.{name}.weight", N_EMBD, N_EMBD)
            if architecture == "qwen2vl" and name != "attn_output":
                weights.vector(f"blk.{i}.{name}.bias")
        weights.ones(f"blk.{i}.attn_norm.weight", f"blk.{i}.ffn_norm.weight")
        feed_forward(weights, i, gated=True)
    heads = {"attention.layer_norm_rms_epsilon": 1e-5, "attention.head_count": N_HEAD}
    return write(path, architecture, 2, {**heads, "attention.head_count_kv": N_HEAD, **keys}, weights)


def projector(path: Path, kind: str, *, side: int, seed: int, merge: int = 0, width: int = N_EMBD) -> Path:
    """`side`: pixels; `merge`: patches of a side that become one row; `width`: of the text model's embeddings."""
    weights, patches = Weights(seed), (side // PATCH) ** 2
    weights.matrix("v.patch_embd.weight", N_EMBD, 3, PATCH, PATCH, scale=0.05)
    for i in (0, 1):
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            weights.matrix(f"v.blk.{i}.{name}.weight", N_EMBD, N_EMBD)
            weights.vector(f"v.blk.{i}.{name}.bias")
        for name in ("ln1", "ln2"):
            weights.ones(f"v.blk.{i}.{name}.weight")
            weights.vector(f"v.blk.{i}.{name}.bias")
        weights.matrix(f"v.blk.{i}.ffn_up.weight", N_FF, N_EMBD)
        weights.matrix(f"v.blk.{i}.ffn_down.weight", N_EMBD, N_FF)
        weights.vector(f"v.blk.{i}.ffn_up.bias", size=N_FF)
        weights.vector(f"v.blk.{i}.ffn_down.bias")
    weights.ones("v.post_ln.weight")
    weights.vector("v.post_ln.bias")
    if kind == "qwen2vl_merger":
        weights.matrix("v.patch_embd.weight.1", N_EMBD, 3, PATCH, PATCH, scale=0.05)
        _layers(weights, 4 * N_EMBD, width, "mm.0", "mm.2")
    else:
        weights.matrix("v.position_embd.weight", patches, N_EMBD, scale=0.3)
        weights["v.position_embd.weight"] = weights["v.position_embd.weight"].astype(np.float32)
    if kind == "mlp":
        _layers(weights, N_EMBD, width, "mm.0", "mm.2")
    if kind == "gemma3":
        weights.matrix("mm.input_projection.weight", N_EMBD, width)
        weights.ones("mm.soft_emb_norm.weight")
    return _finish(path, kind, side, merge, width, weights)


def _layers(weights: Weights, inner: int, width: int, first: str, second: str) -> None:
    weights.matrix(f"{first}.weight", inner, inner)
    weights.vector(f"{first}.bias", size=inner)
    weights.matrix(f"{second}.weight", width, inner)
    weights.vector(f"{second}.bias", size=width)


def _finish(path: Path, kind: str, side: int, merge: int, width: int, weights: Weights) -> Path:
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_string("clip.projector_type", kind)
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.use_gelu", True)
    numbers = {"image_size": side, "patch_size": PATCH, "embedding_length": N_EMBD, "feed_forward_length": N_FF}
    numbers |= {"projection_dim": width, "attention.head_count": N_HEAD, "block_count": 2}
    if merge:
        numbers["projector.scale_factor"] = merge
    for key, value in numbers.items():
        writer.add_uint32(f"clip.vision.{key}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    return finish(writer, weights, path)


def png(width: int = 60, height: int = 60, seed: int = 0) -> bytes:
    """An image of large coloured blocks."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    rows = np.arange(height) * 4 // height
    columns = np.arange(width) * 4 // width
    return encoded_png(blocks[rows][:, columns])


def encoded_png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """`pixels`: (height, width, 3)."""
    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, data) for kind, data in chunks)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# 40 × 24 pixels in grey.
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAKBueIx4ZKCMgoy0qqC+8P//8Nzc8P/////////////////////////////////////////////////"
    "/////////wAALCAAYACgBAREA/8QAFgABAQEAAAAAAAAAAAAAAAAAAgME/8QAGxABAQEAAgMAAAAAAAAAAAAAAQACEkEDEfD/2gAIAQEAAD8AkTJE"
    "iZZiZImR8uuOPXb80yRImWfeue166v/Z"
)
DAMAGED_JPEG = JPEG.replace(b"\xff\xdb\x00C\x00", b"\xff\xdb\x00C\xff")  # a table of a type that there is not
# The same, progressive.
PROGRESSIVE_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAKBueIx4ZKCMgoy0qqC+8P//8Nzc8P/////////////////////////////////////////////////"
    "/////////wgALCAAYACgBAREA/8QAFgABAQEAAAAAAAAAAAAAAAAAAQID/9oACAEBAAAAAYpXNaJVz//EABYQAAMAAAAAAAAAAAAAAAAAAAEgMP/a"
    "AAgBAQABBQKJb//EABQQAQAAAAAAAAAAAAAAAAAAADD/2gAIAQEABj8Cf//EABgQAQEAAwAAAAAAAAAAAAAAAAERACAw/9oACAEBAAE/IeKhqtc/"
    "/9oACAEBAAAAEIsH/8QAGRABAQEAAwAAAAAAAAAAAAAAAQBBESHw/9oACAEBAAE/ECIiIiIup18xERc25l//2Q=="
)


def bmp(width: int = 8, height: int = 6) -> bytes:
    """White. Rows are filled up to multiples of four bytes."""
    pixels = b"\xff" * (-(-width * 3 // 4) * 4 * height)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(pixels), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + header + pixels


def gif() -> bytes:
    """One black pixel."""
    return base64.b64decode("R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw==")
