"""Text leaves the engine in whole characters, without stop strings, and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uml.engine.output import TextStream


def feed(stream: TextStream, pieces: list[bytes]) -> str:
    return "".join(stream.push(piece) for piece in pieces)


def test_a_character_split_over_tokens_arrives_whole() -> None:
    stream = TextStream()
    assert [stream.push(bytes([byte])) for byte in "é€😀".encode()] == ["", "é", "", "", "€", "", "", "", "😀"]


def test_a_half_character_at_the_end_is_not_swallowed() -> None:
    stream = TextStream()
    assert stream.push("a€".encode()[:-1]) == "a"
    assert stream.finish() == "\ufffd"


@pytest.mark.parametrize("pieces", [[b"one END two"], [b"one E", b"N", b"D two"], [b"one EN", b"D"]])
def test_text_ends_before_the_stop_string(pieces: list[bytes]) -> None:
    stream = TextStream(("END",))
    assert feed(stream, pieces) == "one "
    assert stream.stopped_by == "END"
    assert stream.finish() == ""


def test_a_half_matched_stop_string_comes_out_when_the_answer_ends() -> None:
    stream = TextStream(("END",))
    assert stream.push(b"one EN") == "one "
    assert stream.finish() == "EN"
    assert stream.stopped_by is None


def test_the_earliest_stop_string_wins() -> None:
    stream = TextStream(("second", "first"))
    assert stream.push(b"a first b second") == "a "
    assert stream.stopped_by == "first"


@given(st.text(), st.lists(st.text(min_size=1, max_size=4), max_size=3), st.lists(st.integers(1, 5), min_size=1))
def test_however_text_is_cut_it_reads_the_same(text: str, stop: list[str], sizes: list[int]) -> None:
    data, pieces = text.encode("utf-8"), []
    while data:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[:size])
        data = data[size:]
    stream = TextStream(tuple(stop))
    got = feed(stream, pieces) + stream.finish()
    expected = min((text[: text.index(s)] for s in stop if s in text), key=len, default=text)
    assert got == expected
