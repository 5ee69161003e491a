"""What a GGUF file says about itself: its metadata and its tensors, read without llama.cpp and without their data.

The format is that of ggml's `docs/gguf.md`; what llama.cpp refuses is refused here too. A file may come from anywhere,
so every count and length in it is checked before it is believed, and the work is bounded. Even so a network disk may
hang: `inspector.py` reads in a process of its own, with a deadline.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from jupyter_uml.errors import ModelLoadFailed
from jupyter_uml.loader.catalog.tensor_types import TENSOR_TYPES

Value = bool | int | float | str | tuple[bool | int | float | str, ...]

MAX_KEYS = 1 << 16
MAX_TENSORS = 1 << 17
MAX_ELEMENTS = 1 << 23  # of all arrays together; large vocabularies have 260,000 tokens and twice as many merges
MAX_KEPT_ELEMENTS = 1 << 10  # longer arrays are given as their length
MAX_KEPT_TEXT = 1 << 20  # bytes; longer texts are given as their length
MAX_KEPT = 1 << 25  # bytes of all texts together
MAX_NAME = 63  # bytes of a tensor's name
MAX_DIMENSIONS = 4
DEFAULT_ALIGNMENT = 32

_FIRST_WINDOW, _WINDOW = 1 << 16, 1 << 20  # bytes read at once
_LARGEST = (1 << 63) - 1
_TEXT, _ARRAY = 8, 9
_LENGTH = struct.Struct("<Q")
_NUMBERS = {
    number: struct.Struct(f"<{code}")
    for number, code in {
        **{0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"},
    }.items()
}


class BrokenFile(ModelLoadFailed):
    """This file is no model that llama.cpp can load. `reason`: a sentence for people, without a path."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)

    @property
    def reason(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """`shape`: elements, the length of a row first. `type`: a name of `TENSOR_TYPES`. `offset`: bytes."""

    name: str
    shape: tuple[int, ...]
    type: str
    n_bytes: int
    offset: int

    @property
    def n_elements(self) -> int:
        return _product(self.shape)


@dataclass(frozen=True, slots=True)
class GgufFile:
    """`size` in bytes. In `metadata` a long array, such as the vocabulary, or a very long text is only its length."""

    path: Path
    size: int
    metadata: Mapping[str, Value]
    tensors: tuple[GgufTensor, ...]


def read_gguf(path: Path | str) -> GgufFile:
    """Read the header of a GGUF file; takes milliseconds, and a bounded time whatever the file holds. Blocks.

    Raises:
        BrokenFile: llama.cpp would not load it; says why.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        header = _Header(file, os.fstat(file.fileno()).st_size)
        n_tensors, n_keys = _preamble(header)
        metadata = dict(_pairs(header, n_keys))
        alignment = _alignment(metadata)
        tensors = tuple(_tensors(header, n_tensors))
        return GgufFile(Path(path), header.size, metadata, _placed(tensors, header, alignment))


class _Header:
    """Reads a file from its start onwards. Only a window of it is in memory."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.size = size
        self._file, self._window, self._start, self._at = file, b"", 0, 0  # the window's start, the place within it
        self._kept = MAX_KEPT
        self._elements = MAX_ELEMENTS

    @property
    def position(self) -> int:
        return self._start + self._at

    def number(self, kind: int) -> int | float | bool:
        layout = _NUMBERS[kind]
        (value,) = layout.unpack(self._take(layout.size))
        return value  # type: ignore[no-any-return]

    def count(self, kind: int = 10) -> int:
        """A number that is whole and not negative in the format."""
        return int(self.number(kind))

    def text(self, limit: int) -> bytes | int:
        """A text, or the length of one that is longer than `limit`; that one is passed over."""
        length = self.count()
        if length > limit:
            self._skip(length)
            return length
        self._kept -= length
        if self._kept < 0:
            raise BrokenFile("The header holds more text than that of any model: it is damaged.")
        return self._take(length)

    def array(self, kind: int, n: int) -> tuple[bool | int | float | str, ...] | int:
        """An array, or the length of a long one; that one is passed over."""
        self._elements -= n
        if self._elements < 0:
            raise BrokenFile(f"It claims to hold a list of {n:,} elements: it is damaged.")
        if kind == _TEXT:
            return self._texts(n)
        layout = _NUMBERS[kind]
        if n > MAX_KEPT_ELEMENTS:
            self._skip(n * layout.size)
            return n
        return struct.unpack(f"<{n}{layout.format[1:]}", self._take(n * layout.size))

    def _texts(self, n: int) -> tuple[str, ...] | int:
        if n > MAX_KEPT_ELEMENTS:
            self._skip_texts(n)
            return n
        texts = [self.text(MAX_KEPT_TEXT) for _ in range(n)]
        return tuple(str(text) if isinstance(text, int) else text.decode(errors="replace") for text in texts)

    def _skip_texts(self, n: int) -> None:
        """Pass over texts by their lengths alone: this loop is most of the time that a file takes."""
        unpack, width = _LENGTH.unpack_from, _LENGTH.size
        while n:
            self._need(width)
            window, at = self._window, self._at
            last = len(window) - width
            while n and at <= last:
                at += width + unpack(window, at)[0]
                n -= 1
            self._at = at
            self._skip(0)

    def _skip(self, n: int) -> None:
        self._at += n
        if self.position > self.size:
            raise BrokenFile(_cut_off(self.size))

    def _take(self, n: int) -> bytes:
        self._need(n)
        self._at += n
        return self._window[self._at - n : self._at]

    def _need(self, n: int) -> None:
        """Have the next `n` bytes in the window."""
        if self._at + n <= len(self._window):
            return
        self._start, self._at = self.position, 0
        if self._start + n > self.size:
            raise BrokenFile(_cut_off(self.size))
        self._file.seek(self._start)
        self._window = self._file.read(max(n, min(_WINDOW, max(_FIRST_WINDOW, 2 * self._start))))
        if len(self._window) < n:  # it was cut while it is being read
            raise BrokenFile(_cut_off(self.size))


def _preamble(header: _Header) -> tuple[int, int]:
    """The number of tensors and the number of keys."""
    if header.size == 0:
        raise BrokenFile("The file is empty. Download it again.")
    if header.size < 24:
        raise BrokenFile(f"The file has only {header.size} bytes: it is cut off or no GGUF file.")
    magic = header.count(4)
    if magic == int.from_bytes(b"vers", "little"):
        raise BrokenFile("It is a pointer of Git LFS, not the file itself: run “git lfs pull” where it lies.")
    if magic != int.from_bytes(b"GGUF", "little"):
        raise BrokenFile("It is no GGUF file: its first bytes are not “GGUF”.")
    version = header.count(4)
    if not version & 0xFFFF and version >> 24:
        raise BrokenFile("It is made for big-endian machines. Convert it with llama.cpp's gguf_convert_endian.py.")
    if version not in (2, 3):
        older = "Convert the original model again." if version == 1 else "A newer jupyter_uml may read it."
        raise BrokenFile(f"It is of GGUF version {version}; versions 2 and 3 can be read. {older}")
    n_tensors, n_keys = header.count(), header.count()
    if n_tensors > MAX_TENSORS or n_keys > MAX_KEYS:
        raise BrokenFile(f"It claims to hold {n_tensors:,} tensors and {n_keys:,} keys: it is damaged.")
    return n_tensors, n_keys


def _pairs(header: _Header, n: int) -> Iterator[tuple[str, Value]]:
    seen = set[bytes]()
    for place in range(1, n + 1):
        key = header.text(MAX_KEPT_TEXT)
        if isinstance(key, int) or not key:
            raise BrokenFile(f"The name of its key {place} is {'empty' if not key else 'too long'}: it is damaged.")
        if key in seen:
            raise BrokenFile(f"The key {_shown(key)} is there twice: it is damaged.")
        seen.add(key)
        yield key.decode(errors="replace"), _value(header, key)


def _value(header: _Header, key: bytes) -> Value:
    kind = header.count(4)
    if kind == _ARRAY:
        kind, n = header.count(4), header.count()
        return header.array(_checked(kind, key), n)
    if _checked(kind, key) != _TEXT:
        return header.number(kind)
    text = header.text(MAX_KEPT_TEXT)
    return text if isinstance(text, int) else text.decode(errors="replace")


def _checked(kind: int, key: bytes) -> int:
    if kind not in _NUMBERS and kind != _TEXT:
        raise BrokenFile(f"The value of {_shown(key)} is of an unknown kind ({kind}): it is damaged.")
    return kind


def _alignment(metadata: Mapping[str, Value]) -> int:
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
        raise BrokenFile("Its general.alignment is not a power of two: it is damaged.")
    return alignment


def _tensors(header: _Header, n: int) -> Iterator[GgufTensor]:
    """The tensors as they are listed; their offsets still count from the start of the data."""
    seen = set[bytes]()
    for place in range(1, n + 1):
        name = header.text(MAX_NAME)
        if isinstance(name, int):
            raise BrokenFile(f"The name of its tensor {place} is too long: it is damaged.")
        if name in seen:
            raise BrokenFile(f"The tensor {_shown(name)} is there twice: it is damaged.")
        seen.add(name)
        shape = _shape(header, name)
        kind = header.count(4)
        n_bytes = _n_bytes(shape, kind, name)
        yield GgufTensor(name.decode(errors="replace"), shape, TENSOR_TYPES[kind].name, n_bytes, header.count())


def _shape(header: _Header, name: bytes) -> tuple[int, ...]:
    dimensions = header.count(4)
    if dimensions > MAX_DIMENSIONS:
        raise BrokenFile(f"The tensor {_shown(name)} has {dimensions:,} dimensions: it is damaged.")
    shape = tuple(header.count() for _ in range(dimensions))
    if _product(tuple(max(1, length) for length in shape)) > _LARGEST:
        raise BrokenFile(f"The tensor {_shown(name)} is larger than any memory: it is damaged.")
    return shape


def _n_bytes(shape: tuple[int, ...], kind: int, name: bytes) -> int:
    if kind not in TENSOR_TYPES:
        raise BrokenFile(
            f"The tensor {_shown(name)} is of a type that llama.cpp does not know or has given up ({kind}). "
            "Download another quantisation."
        )
    tensor_type = TENSOR_TYPES[kind]
    row = shape[0] if shape else 1
    if row % tensor_type.block:
        raise BrokenFile(
            f"The rows of the tensor {_shown(name)} have {row:,} numbers, which is no multiple of the "
            f"{tensor_type.block} of its type {tensor_type.name}: it is damaged."
        )
    n_bytes = _product(shape) // tensor_type.block * tensor_type.n_bytes
    if n_bytes > _LARGEST:
        raise BrokenFile(f"The tensor {_shown(name)} is larger than any memory: it is damaged.")
    return n_bytes


def _placed(tensors: tuple[GgufTensor, ...], header: _Header, alignment: int) -> tuple[GgufTensor, ...]:
    """The tensors with their places in the file, each behind the one before, all within the file."""
    start, expected, end = _padded(header.position, alignment), 0, 0
    for tensor in tensors:
        if tensor.offset != expected:
            where = "does not begin where the tensor before it ends" if expected else "is not where the data begins"
            raise BrokenFile(f"The tensor {tensor.name!r} {where}: the file is damaged.")
        end = start + expected + tensor.n_bytes
        expected = _padded(expected + tensor.n_bytes, alignment)
    if end > header.size:
        raise BrokenFile(f"{_cut_off(header.size)} It should have {end:,}.")
    return tuple(
        GgufTensor(tensor.name, tensor.shape, tensor.type, tensor.n_bytes, start + tensor.offset) for tensor in tensors
    )


def _padded(place: int, alignment: int) -> int:
    return (place + alignment - 1) // alignment * alignment


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for length in shape:
        product *= length
    return product


def _shown(name: bytes) -> str:
    return repr(name[:MAX_NAME].decode(errors="replace"))


def _cut_off(size: int) -> str:
    return f"The file is cut off after {size:,} bytes, or damaged. Download it again."
