"""Reading the header of a GGUF file: what it says, how fast, and what becomes of broken ones."""

from __future__ import annotations

import math
import struct
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_uml.demo import demo_model_path
from jupyter_uml.loader.catalog.gguf_file import MAX_KEPT_ELEMENTS, BrokenFile, GgufFile, read_gguf
from jupyter_uml.loader.catalog.tensor_types import FILE_TYPES, TENSOR_TYPES
from tests.loader.catalog.broken_files import ARRAY, BROKEN, TEXT, U32, U64, WHOLE, cuts, key, text, texts, with_key

SECONDS = 2.0
DEMO = demo_model_path().read_bytes()
HEADER = 66144  # bytes before the demo model's data


def read(path: Path, content: bytes) -> GgufFile:
    path.write_bytes(content)
    return read_gguf(path)


def test_it_says_what_the_gguf_package_says() -> None:
    reader, file = gguf.GGUFReader(demo_model_path()), read_gguf(demo_model_path())
    theirs = [(t.name, tuple(map(int, t.shape)), t.tensor_type.name, t.n_bytes, t.data_offset) for t in reader.tensors]
    assert [(t.name, t.shape, t.type, t.n_bytes, t.offset) for t in file.tensors] == theirs
    fields = {name: field for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    assert set(file.metadata) == set(fields)
    scalars = {name: field.contents() for name, field in fields.items() if field.types[0] != gguf.GGUFValueType.ARRAY}
    assert {name: file.metadata[name] for name in scalars} == scalars
    assert file.metadata["tokenizer.ggml.tokens"] == 2048
    assert file.size == len(DEMO)


def test_every_kind_of_value_and_short_lists_come_through(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "kinds.gguf", "llama")
    writer.add_bool("x.bool", True)
    writer.add_int8("x.int8", -5)
    writer.add_uint16("x.uint16", 60000)
    writer.add_int64("x.int64", -(1 << 60))
    writer.add_float64("x.float64", 0.1)
    writer.add_float32("x.nan", math.nan)
    writer.add_array("x.heads", [8, 0, 8])
    writer.add_array("x.labels", ["yes", "nö"])
    writer.add_tensor("a", np.zeros((4, 64), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    metadata = dict(read_gguf(tmp_path / "kinds.gguf").metadata)
    assert math.isnan(metadata.pop("x.nan"))  # type: ignore[arg-type]
    assert {name: value for name, value in metadata.items() if name.startswith("x.")} == {
        "x.bool": True,
        "x.int8": -5,
        "x.uint16": 60000,
        "x.int64": -(1 << 60),
        "x.float64": 0.1,
        "x.heads": (8, 0, 8),
        "x.labels": ("yes", "nö"),
    }


def test_version_2_and_a_wider_alignment_are_read(tmp_path: Path) -> None:
    assert read(tmp_path / "2.gguf", replace(WHOLE, version=2).encoded()).metadata["llama.context_length"] == 512
    wide = replace(WHOLE, keys=(*WHOLE.keys, key("general.alignment", U32, struct.pack("<I", 64))))
    header = wide.header()
    file = read(tmp_path / "wide.gguf", header + bytes(-len(header) % 64) + WHOLE.data)
    assert file.tensors[0].offset % 64 == 0


def test_a_long_text_and_a_long_list_are_given_by_their_length(tmp_path: Path) -> None:
    long = texts(*(b"" for _ in range(MAX_KEPT_ELEMENTS + 1)))
    keys = (key("x.text", TEXT, text(b"x" * (3 << 20))), key("x.list", ARRAY, long), key("x.last", U32, bytes(4)))
    metadata = read(tmp_path / "long.gguf", with_key(*keys)).metadata
    assert (metadata["x.text"], metadata["x.list"], metadata["x.last"]) == (3 << 20, MAX_KEPT_ELEMENTS + 1, 0)


def test_a_vocabulary_of_150_000_tokens_is_passed_over_quickly(tmp_path: Path) -> None:
    vocabulary = texts(*(b"token%d" % number for number in range(150_000)))
    path = tmp_path / "large.gguf"
    path.write_bytes(with_key(key("x.tokens", ARRAY, vocabulary)))
    assert read_gguf(path).metadata["x.tokens"] == 150_000
    started = time.process_time()
    read_gguf(path)
    assert time.process_time() - started < 0.1


def test_the_tables_are_those_of_the_gguf_package() -> None:
    for kind, (block, n_bytes) in gguf.GGML_QUANT_SIZES.items():
        if kind.name != "Q8_1":  # older packages have the size that it had before llama.cpp halved its sums
            assert TENSOR_TYPES[kind.value] == (kind.name, block, n_bytes)
    for mixture in gguf.LlamaFileType:
        if mixture.name != "GUESSED":
            assert FILE_TYPES[mixture.value] in mixture.name


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_told_in_a_sentence_soon_and_in_little_memory(
    tmp_path: Path, make: Callable[[], bytes]
) -> None:
    path = tmp_path / "secret.gguf"
    path.write_bytes(make())
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(BrokenFile) as caught:
            read_gguf(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < SECONDS
    assert peak < 16 << 20
    reason = caught.value.reason
    assert reason[0].isupper()
    assert reason.endswith(".")
    assert 20 < len(reason) < 300
    assert "secret" not in reason


def test_the_file_that_the_others_are_made_of_is_whole(tmp_path: Path) -> None:
    assert [tensor.n_bytes for tensor in read(tmp_path / "whole.gguf", WHOLE.encoded()).tensors] == [1024, 128]


def test_a_hostile_file_that_is_large_takes_no_longer(tmp_path: Path) -> None:
    """A sparse file of 1 TiB: its size makes every length in it possible."""
    path = tmp_path / "sparse.gguf"
    lists = (key(f"x{n}", ARRAY, struct.pack("<IQ", kind, 1 << 36)) for n, kind in enumerate((TEXT, U64)))
    for content in (with_key(each) for each in lists):
        path.write_bytes(content)
        with path.open("r+b") as file:
            file.truncate(1 << 40)
        started = time.process_time()
        with pytest.raises(BrokenFile, match="list"):
            read_gguf(path)
        assert time.process_time() - started < SECONDS


def test_a_header_of_many_long_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenFile, match="more text"):
        read(tmp_path / "x.gguf", with_key(*(key(f"x{n}", TEXT, text(bytes(1 << 20))) for n in range(40))))


def test_the_demo_model_cut_anywhere_is_broken(tmp_path: Path) -> None:
    for content in cuts(DEMO, 1, 40):
        with pytest.raises(BrokenFile):
            read(tmp_path / "cut.gguf", content)


@settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, HEADER - 1), st.one_of(st.binary(min_size=1, max_size=8), st.just(b"\xff" * 8))),
        min_size=1,
        max_size=4,
    )
)
def test_a_damaged_header_gives_an_answer_or_a_reason(tmp_path: Path, changes: list[tuple[int, bytes]]) -> None:
    content = bytearray(DEMO)
    for place, patch in changes:
        content[place : place + len(patch)] = patch
    try:
        file = read(tmp_path / "damaged.gguf", bytes(content[: len(DEMO)]))
    except BrokenFile:
        return
    assert all(tensor.offset + tensor.n_bytes <= file.size for tensor in file.tensors)


def test_a_file_that_cannot_be_read_is_not_called_broken(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_gguf(tmp_path / "none.gguf")
