"""Text leaves the engine in whole characters, without stop strings, and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uml.engine.formats.hermes import HERMES
from jupyter_uml.engine.output import AnswerStream
from jupyter_uml.types import Tool


def feed(stream: AnswerStream, pieces: list[bytes]) -> str:
    return "".join(stream.push(piece).content for piece in pieces)


def test_a_character_split_over_tokens_arrives_whole() -> None:
    stream = AnswerStream()
    assert [stream.push(bytes([byte])).content for byte in "é€😀".encode()] == ["", "é", "", "", "€", "", "", "", "😀"]


def test_a_half_character_at_the_end_is_not_swallowed() -> None:
    stream = AnswerStream()
    assert stream.push("a€".encode()[:-1]).content == "a"
    assert stream.finish().content == "\ufffd"


@pytest.mark.parametrize("pieces", [[b"one END two"], [b"one E", b"N", b"D two"], [b"one EN", b"D"]])
def test_text_ends_before_the_stop_string(pieces: list[bytes]) -> None:
    stream = AnswerStream(("END",))
    assert feed(stream, pieces) == "one "
    assert stream.stopped_by == "END"
    assert stream.finish().content == ""


def test_a_half_matched_stop_string_comes_out_when_the_answer_ends() -> None:
    stream = AnswerStream(("END",))
    assert stream.push(b"one EN").content == "one "
    assert stream.finish().content == "EN"
    assert stream.stopped_by is None


def test_the_earliest_stop_string_wins() -> None:
    stream = AnswerStream(("second", "first"))
    assert stream.push(b"a first b second").content == "a "
    assert stream.stopped_by == "first"


@given(st.text(), st.lists(st.text(min_size=1, max_size=4), max_size=3), st.lists(st.integers(1, 5), min_size=1))
def test_however_text_is_cut_it_reads_the_same(text: str, stop: list[str], sizes: list[int]) -> None:
    data, pieces = text.encode("utf-8"), []
    while data:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[:size])
        data = data[size:]
    stream = AnswerStream(tuple(stop))
    got = feed(stream, pieces) + stream.finish().content
    expected = min((text[: text.index(s)] for s in stop if s in text), key=len, default=text)
    assert got == expected


def test_a_call_ends_what_may_become_a_stop_string() -> None:
    stream = AnswerStream(("END",), HERMES.parser((Tool("f"),), ""))
    call = b'<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    begun = [stream.push(piece) for piece in (b"one EN", call, b"D two")]
    assert [parsed.content for parsed in begun] == ["one ", "EN", "D two"]
    assert stream.stopped_by is None


def test_a_stop_string_behind_a_call_leaves_the_call_whole() -> None:
    stream = AnswerStream(("END",), HERMES.parser((Tool("f"),), ""))
    stream.push(b'<tool_call>{"name": "f", "arguments": {"a": 1')
    assert [delta.arguments for delta in stream.push(b"}}</tool_call>END").calls] == ["}"]
    assert stream.stopped_by == "END"
