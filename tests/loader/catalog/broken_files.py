"""A small GGUF file, byte by byte, and many ways in which such a file can be broken."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

U32, F32, TEXT, ARRAY, U64 = 4, 6, 8, 9, 10
HUGE = 1 << 62


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def key(name: str, kind: int, payload: bytes) -> bytes:
    return text(name.encode()) + struct.pack("<I", kind) + payload


def texts(*values: bytes) -> bytes:
    return struct.pack("<IQ", TEXT, len(values)) + b"".join(map(text, values))


@dataclass(frozen=True)
class Tensor:
    """`kind`: as in `TENSOR_TYPES`; by default 32-bit numbers."""

    name: bytes
    shape: tuple[int, ...]
    offset: int
    kind: int = 0

    def encoded(self) -> bytes:
        shape = struct.pack(f"<I{len(self.shape)}Q", len(self.shape), *self.shape)
        return text(self.name) + shape + struct.pack("<IQ", self.kind, self.offset)


KEYS = (
    key("general.architecture", TEXT, text(b"llama")),
    key("llama.context_length", U32, struct.pack("<I", 512)),
    key("tokenizer.ggml.tokens", ARRAY, texts(*(b"token" for _ in range(2000)))),
    key("tokenizer.ggml.scores", ARRAY, struct.pack("<IQ", F32, 2000) + bytes(8000)),
)
TENSORS = (Tensor(b"token_embd.weight", (32, 8), 0), Tensor(b"output_norm.weight", (32,), 1024))


@dataclass(frozen=True)
class Parts:
    """A whole file; each part can be replaced. `n_keys`, `n_tensors`: None counts them."""

    magic: bytes = b"GGUF"
    version: int = 3
    n_keys: int | None = None
    n_tensors: int | None = None
    keys: tuple[bytes, ...] = KEYS
    tensors: tuple[Tensor, ...] = TENSORS
    data: bytes = field(default=bytes(1024 + 128), repr=False)

    def header(self) -> bytes:
        n_tensors = len(self.tensors) if self.n_tensors is None else self.n_tensors
        n_keys = len(self.keys) if self.n_keys is None else self.n_keys
        start = self.magic + struct.pack("<IQQ", self.version, n_tensors, n_keys)
        return start + b"".join(self.keys) + b"".join(tensor.encoded() for tensor in self.tensors)

    def encoded(self) -> bytes:
        header = self.header()
        return header + bytes(-len(header) % 32) + self.data


WHOLE = Parts()


def with_key(*keys: bytes) -> bytes:
    return replace(WHOLE, keys=(*KEYS, *keys)).encoded()


def with_tensor(**changes: object) -> bytes:
    return replace(WHOLE, tensors=(TENSORS[0], replace(TENSORS[1], **changes))).encoded()


def cut(at: float) -> Callable[[], bytes]:
    """`at`: the part of the file that is left."""
    return lambda: WHOLE.encoded()[: int(len(WHOLE.encoded()) * at)]


def noise(seed: int, start: bytes = b"") -> Callable[[], bytes]:
    return lambda: start + random.Random(seed).randbytes(50_000)


# By what is wrong with it.
BROKEN: dict[str, Callable[[], bytes]] = {
    "empty": bytes,
    "a web page": lambda: b"<!DOCTYPE html><html>Access to this model is restricted.</html>" * 9,
    "a pointer of git lfs": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n",
    "zeros": lambda: bytes(50_000),
    "random bytes": noise(1),
    "random bytes after the magic": noise(2, b"GGUF"),
    "random bytes after the version": noise(3, b"GGUF\x03\0\0\0"),
    "random bytes after the counts": noise(4, WHOLE.encoded()[:24]),
    "cut after the magic": lambda: WHOLE.encoded()[:4],
    "cut within the counts": lambda: WHOLE.encoded()[:20],
    "cut after the counts": lambda: WHOLE.encoded()[:24],
    "cut within a key": lambda: WHOLE.encoded()[:40],
    "cut within the vocabulary": cut(0.5),
    "cut within the tensors": lambda: WHOLE.header()[:-30],
    "cut before the data": WHOLE.header,
    "cut within the data": lambda: WHOLE.encoded()[:-600],
    "cut by one byte": lambda: WHOLE.encoded()[:-1],
    "version 1": lambda: replace(WHOLE, version=1).encoded(),
    "a version to come": lambda: replace(WHOLE, version=9).encoded(),
    "big-endian": lambda: replace(WHOLE, version=3 << 24).encoded(),
    "more tensors than there are": lambda: replace(WHOLE, n_tensors=3).encoded(),
    "a huge number of tensors": lambda: replace(WHOLE, n_tensors=HUGE).encoded(),
    "more keys than there are": lambda: replace(WHOLE, n_keys=5).encoded(),
    "a huge number of keys": lambda: replace(WHOLE, n_keys=HUGE).encoded(),
    "a negative number of keys": lambda: replace(WHOLE, n_keys=(1 << 64) - 1).encoded(),
    "a huge text": lambda: with_key(key("general.name", TEXT, struct.pack("<Q", HUGE) + b"x")),
    "a huge list of texts": lambda: with_key(key("x", ARRAY, struct.pack("<IQ", TEXT, HUGE))),
    "a huge list of numbers": lambda: with_key(key("x", ARRAY, struct.pack("<IQ", U64, HUGE))),
    "a list of lists": lambda: with_key(key("x", ARRAY, struct.pack("<IQ", ARRAY, 4))),
    "a value of an unknown kind": lambda: with_key(key("x", 99, bytes(8))),
    "a key without a name": lambda: with_key(key("", U32, bytes(4))),
    "a key twice": lambda: with_key(KEYS[1]),
    "an alignment of 3": lambda: with_key(key("general.alignment", U32, struct.pack("<I", 3))),
    "an alignment of 0": lambda: with_key(key("general.alignment", U32, bytes(4))),
    "an alignment that is a text": lambda: with_key(key("general.alignment", TEXT, text(b"32"))),
    "a tensor twice": lambda: with_tensor(name=TENSORS[0].name),
    "a tensor with a long name": lambda: with_tensor(name=b"x" * 64),
    "a tensor of five dimensions": lambda: with_tensor(shape=(32, 1, 1, 1, 1)),
    "a tensor of a negative length": lambda: with_tensor(shape=((1 << 64) - 32,)),
    "a tensor larger than any memory": lambda: with_tensor(shape=(1 << 40, 1 << 40)),
    "a tensor larger than the file": lambda: with_tensor(shape=(1 << 30,)),
    "a tensor of an unknown type": lambda: with_tensor(kind=77),
    "a tensor of a type given up": lambda: with_tensor(kind=31),
    "rows of half a block": lambda: with_tensor(shape=(16,), kind=8),
    "overlapping tensors": lambda: with_tensor(offset=512),
    "a tensor off the alignment": lambda: with_tensor(offset=1025),
    "a tensor beyond the end": lambda: with_tensor(offset=HUGE),
    "a gap between tensors": lambda: with_tensor(offset=1056),
}


def cuts(content: bytes, seed: int, n: int) -> Iterator[bytes]:
    """The file cut at places of all sizes."""
    chance = random.Random(seed)
    return (content[: chance.randrange(len(content))] for _ in range(n))
