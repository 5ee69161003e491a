"""The decoder gives the same events however the bytes are cut."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uml.client import sse
from jupyter_uml.client.sse import ServerEvent, SSEDecoder

TRANSCRIPT = (
    "\ufeffdata: one\n\n"
    ": a comment\n"
    "event: error\r\ndata: two\r\ndata:three ä€𝄞\r\n\r\n"
    "id: 7\rdata\r\r"
    "retry: 10\nunknown: x\ndata:  two spaces\n\n"
    "event: nothing\n\n"
    "data: never finished"
).encode()
EVENTS = [
    ServerEvent("one"),
    ServerEvent("two\nthree ä€𝄞", "error"),
    ServerEvent("", id="7"),
    ServerEvent(" two spaces", id="7"),
]


def decode(*pieces: bytes) -> list[ServerEvent]:
    decoder = SSEDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def test_a_whole_transcript() -> None:
    assert decode(TRANSCRIPT) == EVENTS


def test_byte_by_byte() -> None:
    assert decode(*(bytes([byte]) for byte in TRANSCRIPT)) == EVENTS


@given(st.lists(st.integers(0, len(TRANSCRIPT)), max_size=8))
def test_cut_anywhere(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(TRANSCRIPT)]
    assert decode(*(TRANSCRIPT[a:b] for a, b in pairwise(edges))) == EVENTS


def test_an_event_is_there_as_soon_as_its_empty_line() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: x\r\n") == []
    assert decoder.feed(b"\r") == [ServerEvent("x")]
    assert decoder.feed(b"\n") == []


def test_broken_utf8_is_replaced() -> None:
    assert decode(b"data: \xff\n\n") == [ServerEvent("\ufffd")]


@pytest.mark.parametrize("line", [b"x", b"data: x\n"])
def test_an_endless_event_is_refused(monkeypatch: pytest.MonkeyPatch, line: bytes) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    decoder = SSEDecoder()
    with pytest.raises(ValueError, match="too large"):
        deque(map(decoder.feed, [line] * 2000))
