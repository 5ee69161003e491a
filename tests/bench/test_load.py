"""The client against a server that answers byte by byte as the test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.bench.load import Reply, Request, RequestError, Target, together

pytestmark = pytest.mark.anyio
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
EVENTS = (
    b'data: {"choices": [{"text": "one"}]}\n\n',
    b'data: {"choices": [{"text": " two"}]}\n\n',
    b'data: {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}\n\n',
    b"data: [DONE]\n\n",
)


@asynccontextmanager
async def answering(*parts: bytes) -> AsyncIterator[Target]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1")
    async with server:
        yield Target(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "model")


def chunked(*bodies: bytes) -> list[bytes]:
    framed = [b"%x\r\n%s\r\n" % (len(body), body) for body in bodies]
    return [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *framed, b"0\r\n\r\n"]


BYTE_BY_BYTE = [bytes([byte]) for byte in b"".join(EVENTS)]


@pytest.mark.parametrize("parts", [chunked(*EVENTS), [HEAD + b"\r\n", *EVENTS], chunked(*BYTE_BY_BYTE)])
async def test_events_are_stamped_and_counted(parts: list[bytes]) -> None:
    async with answering(*parts) as target:
        (reply,) = await together([Request(target, {})])
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == ("one two", 5, 2)
    assert reply.sent < reply.times[0] <= reply.times[1] <= reply.ended


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([b"HTTP/1.1 503 Busy\r\n\r\n", b'{"error": {"message": "later"}}'], "HTTP 503: later"),
        ([HEAD + b"\r\n", EVENTS[0]], "without its end"),
        (chunked(EVENTS[0], b'data: {"error": {"message": "broken"}}\n\n', EVENTS[-1]), "broken"),
        (chunked(EVENTS[-1]), "without text"),
        ([b"HTTP/1.1 200 OK"], "IncompleteRead"),
    ],
)
async def test_what_goes_wrong_is_told(parts: list[bytes], message: str) -> None:
    async with answering(*parts) as target:
        with pytest.raises(RequestError, match=message):
            await Request(target, {}).answer()


def test_figures_of_a_reply() -> None:
    reply = Reply(sent=1.0, times=[1.5, 2.0, 3.5], ended=4.0, completion_tokens=5)
    assert (reply.first, reply.gaps, reply.took, reply.decode_rate) == (0.5, [0.5, 1.5], 3.0, 2.0)
