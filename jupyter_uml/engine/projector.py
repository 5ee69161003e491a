"""A projector turns images into rows of embeddings, which stand among a prompt's tokens: llama.cpp's `mtmd`.

What an image will be is known from its size alone: texts around it, and so many rows. That is all a prompt needs. The
rows themselves are computed when it is their turn; those of recent images are kept.
"""

from __future__ import annotations

import ctypes
import hashlib
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt
from llama_cpp import mtmd_cpp

from jupyter_uml.engine import llama_log
from jupyter_uml.engine.image_header import ImageHeader, UnreadableImage, check_unpacked, read_header
from jupyter_uml.engine.image_rows import ImageRows, Layout, Piece, pseudo_tokens
from jupyter_uml.engine.model import Model
from jupyter_uml.errors import EngineError, InvalidRequest, ModelLoadFailed

CACHE_BYTES = 256 << 20  # of embeddings
_HEAD_BYTES = 1 << 20  # of a projector's file, which tell it from others
_MARK = b"<__media__>"
_NO_PROGRAMS = b"/dev/null"  # folder of the programs that mtmd would start to decode what is no image: there are none
# Their rows depend on what stands before them, or have positions of a kind of their own.
_UNSUPPORTED = ("deepseek4", "hunyuan_vl")
_SHAPES = ((1024, 1024), (2048, 1024), (8192, 1024), (64, 64))  # pixels; of one of them a projector makes the most rows

Embeddings = npt.NDArray[np.float32]  # (rows, width)


class Projector:
    """The projector file of a model. Thread-safe.

    Raises:
        ModelLoadFailed: llama.cpp cannot load it, it does not fit the model, or is of a kind that is not supported.
    """

    def __init__(self, model: Model, path: str, n_threads: int, use_gpu: bool = False) -> None:
        if model.info.architecture in _UNSUPPORTED:
            raise ModelLoadFailed(f"Images for {model.info.architecture} models are not supported.")
        mtmd_cpp.mtmd_helper_log_set(llama_log.callback, ctypes.c_void_p(0))
        params = mtmd_cpp.mtmd_context_params_default()
        params.use_gpu, params.n_threads, params.print_timings = use_gpu, n_threads, False
        llama_log.forget()
        self._lock = threading.Lock()
        self._opened: tuple[bytes, _Chunks] | None = None  # the image whose parts are being computed
        self._handle: Any = mtmd_cpp.mtmd_init_from_file(path.encode(), model.handle, params)
        if not self._handle:
            raise ModelLoadFailed(f"The projector of {model.spec.id} cannot be loaded: {llama_log.first_error()}.")
        if not mtmd_cpp.mtmd_support_vision(self._handle):
            self.close()
            raise ModelLoadFailed(f"The projector of {model.spec.id} is not for images.")
        self._width = int(llama_cpp.llama_model_n_embd_inp(model.handle))
        self._flat = not mtmd_cpp.mtmd_decode_use_mrope(self._handle)
        self._whole = bool(mtmd_cpp.mtmd_decode_use_non_causal(self._handle, None))
        self._identity = _identity(Path(path))
        self._cache = _Cache(CACHE_BYTES)

    def close(self) -> None:
        self._close_image()
        if self._handle:
            mtmd_cpp.mtmd_free(self._handle)
            self._handle = None

    @property
    def largest_whole(self) -> int:
        """Rows that must be computed together, at most; 0 where none need to."""
        if not self._whole:
            return 0
        return max(
            len(rows.tokens) for shape in _SHAPES for rows in self._outlined(*shape, b"") if isinstance(rows, ImageRows)
        )

    def pieces(self, image: bytes) -> list[Piece]:
        """What stands in a prompt for this image. No pixel is decoded yet.

        Raises:
            InvalidRequest: it is no image, too large, or the projector cannot see it.
        """
        header = _header(image)
        return self._outlined(header.width, header.height, image)

    def embeddings(self, rows: ImageRows) -> Embeddings:
        """The rows themselves: decodes the image and runs the projector, unless that was done lately.

        Raises:
            InvalidRequest: the image is damaged.
            EngineError: the projector failed.
        """
        key = (rows.digest, rows.part)
        with self._lock:
            if (found := self._cache.get(key)) is None:
                found = self._computed(rows)
                self._cache.put(key, found)
            return found

    # --- outlines ---

    def _outlined(self, width: int, height: int, image: bytes) -> list[Piece]:
        digest = hashlib.sha256(image).digest()
        chunks = _Chunks(self._handle, mtmd_cpp.mtmd_bitmap_init(width, height, None))
        try:
            return [self._piece(chunk, part, image, digest) for part, chunk in enumerate(chunks.all)]
        finally:
            chunks.close()

    def _piece(self, chunk: Any, part: int, image: bytes, digest: bytes) -> Piece:
        count = int(mtmd_cpp.mtmd_input_chunk_get_n_tokens(chunk))
        if mtmd_cpp.mtmd_input_chunk_get_type(chunk) == mtmd_cpp.MTMD_INPUT_CHUNK_TYPE_TEXT:
            text = mtmd_cpp.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(ctypes.c_size_t()))
            return list(text[:count])
        n_positions = int(mtmd_cpp.mtmd_input_chunk_get_n_pos(chunk))
        tokens = pseudo_tokens(self._identity + digest + part.to_bytes(4, "big"), count)
        return ImageRows(image, digest, part, tokens, n_positions, self._layout(chunk, count), self._whole)

    def _layout(self, chunk: Any, count: int) -> Layout:
        if self._flat:
            return np.arange(count, dtype=np.int32)[None]
        places = (mtmd_cpp.mtmd_decoder_pos * count)()
        mtmd_cpp.mtmd_helper_image_get_decoder_pos(mtmd_cpp.mtmd_input_chunk_get_tokens_image(chunk), 0, places)
        time, x, y, other = np.frombuffer(bytes(places), np.uint32).reshape(count, 4).T.astype(np.int32)
        if time.any() or other.any():
            raise InvalidRequest("Images are not supported for a model with positions of this kind.", param="messages")
        return np.ascontiguousarray(np.stack([time, y, x, other]))

    # --- embeddings ---

    def _computed(self, rows: ImageRows) -> Embeddings:
        if self._opened is None or self._opened[0] != rows.digest:
            self._close_image()
            self._opened = rows.digest, _Chunks(self._handle, self._decoded(rows.image))
        chunk = self._opened[1].all[rows.part]
        llama_log.forget()
        count = mtmd_cpp.mtmd_input_chunk_get_n_tokens(chunk)
        if count != len(rows.tokens) or mtmd_cpp.mtmd_encode_chunk(self._handle, chunk) != 0:
            raise EngineError(f"The projector failed: {llama_log.first_error()}.")
        values = mtmd_cpp.mtmd_get_output_embd(self._handle)
        return np.ctypeslib.as_array(values, (len(rows.tokens), self._width)).copy()

    def _decoded(self, image: bytes) -> Any:
        """mtmd's bitmap of an image. It decodes what cannot be an image by other programs: it must not find any."""
        header = _header(image)
        try:
            check_unpacked(image, header)
        except UnreadableImage as error:
            raise InvalidRequest(str(error), param="messages") from error
        options = mtmd_cpp.mtmd_helper_init_opt_default()
        options.video_params.ffmpeg_bin_dir = _NO_PROGRAMS
        data = ctypes.cast(ctypes.c_char_p(image), ctypes.POINTER(ctypes.c_uint8))
        found = mtmd_cpp.mtmd_helper_bitmap_init_from_buf_wrapper(self._handle, data, len(image), False, options)
        if not found.bitmap:
            raise InvalidRequest(f"The {header.format} image is damaged.", param="messages")
        return found.bitmap

    def _close_image(self) -> None:
        if self._opened is not None:
            self._opened[1].close()
            self._opened = None


class _Chunks:
    """What mtmd makes of a bitmap, which it takes over: texts of tokens, and parts of the image.

    Raises:
        InvalidRequest: the projector cannot see it.
    """

    def __init__(self, handle: Any, bitmap: Any) -> None:
        self._list: Any = mtmd_cpp.mtmd_input_chunks_init()
        text = mtmd_cpp.mtmd_input_text(text=_MARK, text_len=len(_MARK), add_special=False, parse_special=True)
        bitmaps = (mtmd_cpp.mtmd_bitmap_p_ctypes * 1)(bitmap)
        status = mtmd_cpp.mtmd_tokenize(handle, self._list, ctypes.byref(text), bitmaps, 1)
        mtmd_cpp.mtmd_bitmap_free(bitmap)
        if status != 0:
            self.close()
            raise InvalidRequest("The model's projector cannot see an image of this size.", param="messages")
        count = int(mtmd_cpp.mtmd_input_chunks_size(self._list))
        self.all = [mtmd_cpp.mtmd_input_chunks_get(self._list, index) for index in range(count)]

    def close(self) -> None:
        mtmd_cpp.mtmd_input_chunks_free(self._list)


class _Cache:
    """Embeddings of the images that were seen last, up to `room` bytes."""

    def __init__(self, room: int) -> None:
        self._room, self._used = room, 0
        self._held: OrderedDict[tuple[bytes, int], Embeddings] = OrderedDict()

    def get(self, key: tuple[bytes, int]) -> Embeddings | None:
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    def put(self, key: tuple[bytes, int], rows: Embeddings) -> None:
        self._held[key] = rows
        self._used += rows.nbytes
        while self._used > self._room and len(self._held) > 1:
            self._used -= self._held.popitem(last=False)[1].nbytes


def _header(image: bytes) -> ImageHeader:
    try:
        return read_header(image)
    except UnreadableImage as error:
        raise InvalidRequest(str(error), param="messages") from error


def _identity(path: Path) -> bytes:
    """Tells a projector's file from others, without reading all of it."""
    stat = path.stat()
    with path.open("rb") as file:
        return hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns} ".encode() + file.read(_HEAD_BYTES)).digest()
