"""Projectors: what an image becomes, and what is refused. The rows are compared with those of mtmd's own way."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from llama_cpp import mtmd_cpp

from jupyter_uml.engine.image_rows import ImageRows
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.projector import Projector
from jupyter_uml.errors import InvalidRequest, ModelLoadFailed
from jupyter_uml.types import ModelSpec
from tests.engine import vision_models
from tests.engine.tiny_models import N_EMBD
from tests.engine.vision_models import DAMAGED_JPEG, JPEG, PROGRESSIVE_JPEG, bmp, gif, png

Load = Callable[..., Projector]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Loads a tiny model and its projector, or another file as such."""
    opened: list[Model | Projector] = []

    def load(make: Callable[[Path], Path] = vision_models.llava, projector: Path | None = None) -> Projector:
        path = make(tmp_path)
        opened.append(model := Model(ModelSpec("tiny", str(path))))
        file = projector or next(tmp_path.glob(f"mmproj-{path.stem}*"))
        opened.append(loaded := Projector(model, str(file), n_threads=1))
        return loaded

    yield load
    for thing in reversed(opened):
        thing.close()


def rows_of(projector: Projector, image: bytes) -> list[ImageRows]:
    return [piece for piece in projector.pieces(image) if isinstance(piece, ImageRows)]


@pytest.mark.parametrize("image", [png(), JPEG, PROGRESSIVE_JPEG, gif(), bmp()])
def test_every_kind_of_image_becomes_rows(load: Load, image: bytes) -> None:
    projector = load()
    (rows,) = rows_of(projector, image)
    values = projector.embeddings(rows)
    assert values.shape == (len(rows.tokens), N_EMBD) == (16, N_EMBD)
    assert np.isfinite(values).all()
    assert values.std() > 0


def test_rows_are_those_of_the_image(load: Load) -> None:
    projector = load()
    first, second = (projector.embeddings(rows_of(projector, png(seed=seed))[0]) for seed in (1, 2))
    again = projector.embeddings(rows_of(projector, bytes(bytearray(png(seed=1))))[0])
    assert again is first  # kept
    assert not np.allclose(first, second, atol=0.01)


def test_equal_images_have_equal_tokens(load: Load) -> None:
    projector = load()
    one, same, other = (rows_of(projector, png(seed=seed))[0].tokens for seed in (1, 1, 2))
    assert one == same
    assert not set(one) & set(other)


def test_llava_rows_are_like_tokens(load: Load) -> None:
    (rows,) = rows_of(load(), png())
    assert not rows.whole
    assert rows.n_positions == 16
    assert rows.layout.tolist() == [list(range(16))]


def test_gemma_rows_see_each_other_and_stand_between_texts(load: Load) -> None:
    projector = load(vision_models.gemma3_vision)
    assert projector.largest_whole == 16
    kinds = [isinstance(piece, ImageRows) for piece in projector.pieces(png())]
    assert kinds == [False, True, False]
    (rows,) = rows_of(projector, png())
    assert rows.whole


def test_qwen_rows_stand_in_a_rectangle(load: Load) -> None:
    projector = load(vision_models.qwen2vl)
    (rows,) = rows_of(projector, png(width=280, height=112))
    time, y, x, _ = rows.layout
    height, width = y.max() + 1, x.max() + 1
    assert width > height > 1
    assert height * width == len(rows.tokens)
    assert not time.any()
    assert rows.n_positions == width
    assert projector.embeddings(rows).shape == (len(rows.tokens), N_EMBD)


def test_a_file_that_is_no_projector_is_refused(load: Load, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.gguf"
    garbage.write_bytes(b"GGUF" + bytes(100))
    for file in (garbage, tmp_path / "none.gguf", vision_models.llava(tmp_path)):
        with pytest.raises(ModelLoadFailed, match="cannot be loaded") as caught:
            load(projector=file)
        assert str(tmp_path) not in caught.value.message


def test_a_projector_of_another_width_is_refused(load: Load, tmp_path: Path) -> None:
    other = vision_models.projector(tmp_path / "other.gguf", "mlp", side=56, seed=1, width=2 * N_EMBD)
    with pytest.raises(ModelLoadFailed, match="mismatch"):
        load(projector=other)


@pytest.mark.parametrize(
    ("image", "reason"),
    [(b"hello", "no image"), (png(9000, 10), "9000 × 10 pixels"), (b"RIFF....WEBPVP8 ", "WebP images")],
)
def test_what_is_no_image_is_refused_before_it_is_decoded(load: Load, image: bytes, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        load().pieces(image)


@pytest.mark.parametrize("image", [png()[:100] + b"x" + png()[101:], DAMAGED_JPEG, gif().replace(b",", b"?")])
def test_a_damaged_image_is_refused_and_no_program_is_started(
    load: Load, image: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mtmd hands what it cannot decode to ffmpeg, if it finds that."""
    started = tmp_path / "started"
    for name in ("ffmpeg", "ffprobe"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\ntouch {started}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    projector = load()
    with pytest.raises(InvalidRequest, match="damaged"):
        projector.embeddings(rows_of(projector, image)[0])
    assert not started.exists()
    assert projector.embeddings(rows_of(projector, png())[0]).shape == (16, N_EMBD)  # and it goes on


def test_rows_are_those_that_mtmd_computes(load: Load) -> None:
    """From the decoded pixels, by the calls that its own programs use."""
    projector = load(vision_models.gemma3_vision)
    (rows,) = rows_of(projector, png(90, 70))
    expected = _by_mtmd(projector, png(90, 70))
    assert np.array_equal(projector.embeddings(rows), expected)


def _by_mtmd(projector: Projector, image: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    handle, marker = projector._handle, mtmd_cpp.mtmd_default_marker()
    buffer = (ctypes.c_uint8 * len(image)).from_buffer_copy(image)
    bitmap = mtmd_cpp.mtmd_helper_bitmap_init_from_buf(handle, buffer, len(image), False)
    chunks = mtmd_cpp.mtmd_input_chunks_init()
    text = mtmd_cpp.mtmd_input_text(text=marker, text_len=len(marker), add_special=False, parse_special=True)
    assert mtmd_cpp.mtmd_tokenize(handle, chunks, text, (ctypes.c_void_p * 1)(bitmap), 1) == 0
    count = mtmd_cpp.mtmd_input_chunks_size(chunks)
    (chunk,) = (
        chunk
        for chunk in (mtmd_cpp.mtmd_input_chunks_get(chunks, i) for i in range(count))
        if mtmd_cpp.mtmd_input_chunk_get_type(chunk) == mtmd_cpp.MTMD_INPUT_CHUNK_TYPE_IMAGE
    )
    assert mtmd_cpp.mtmd_encode_chunk(handle, chunk) == 0
    n_rows = mtmd_cpp.mtmd_input_chunk_get_n_tokens(chunk)
    values = np.ctypeslib.as_array(mtmd_cpp.mtmd_get_output_embd(handle), (n_rows, N_EMBD)).copy()
    mtmd_cpp.mtmd_input_chunks_free(chunks)
    mtmd_cpp.mtmd_bitmap_free(bitmap)
    return values
