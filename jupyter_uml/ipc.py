"""What a loader and its worker say to each other: tagged messages, each a msgpack map behind a 4-byte length.

The loader writes to the worker's stdin and reads what was its stdout; end of file on either side means the other is
dead. There is no port to find and nothing to unpickle. Both sides come from the same installation, but the first
message carries a protocol number, since a server may run on while its package is upgraded underneath.
"""

from __future__ import annotations

import os
import select
import struct
import threading
from typing import Any, BinaryIO

import msgspec

from jupyter_uml.errors import Detail, InvalidRequest
from jupyter_uml.types import (
    Chunk,
    EffectiveSettings,
    EmbedRequest,
    GenerateRequest,
    Measured,
    MeasureRequest,
    ModelInfo,
    ModelSpec,
    PromptRequest,
    RankRequest,
    RenderedPrompt,
    Rows,
    ScoreRequest,
    Scores,
    SideRequest,
    Tokenized,
    TokenizeRequest,
)

PROTOCOL = 4
HEADER = struct.Struct("!I")
MAX_FRAME = 256 << 20  # bytes; a longer frame means that the stream is out of step

ErrorBody = dict[str, Detail]


class _Message(msgspec.Struct, frozen=True, tag=True):
    """A message is told apart by its class name, sent as the field `type`."""


# --- to the worker ---------------------------------------------------------------------------


class Load(_Message, frozen=True):
    spec: ModelSpec


class Add(_Message, frozen=True):
    request: GenerateRequest


class Embed(_Message, frozen=True):
    request: EmbedRequest


class Rank(_Message, frozen=True):
    request: RankRequest


class Score(_Message, frozen=True):
    request: ScoreRequest


class Tokenize(_Message, frozen=True):
    request: TokenizeRequest


class Render(_Message, frozen=True):
    request: PromptRequest


class Measure(_Message, frozen=True):
    request: MeasureRequest


class Abort(_Message, frozen=True):
    request_id: str


class Ping(_Message, frozen=True):
    """Answered by a `Pong` at once, also in a long computation, unless other messages are on their way."""


ToWorker = Load | Add | Embed | Rank | Score | Tokenize | Render | Measure | Abort | Ping

# --- from the worker -------------------------------------------------------------------------


class Ready(_Message, frozen=True):
    """The worker is up and waits for `Load`."""

    protocol: int
    pid: int
    engine: str  # build of llama.cpp


class Progress(_Message, frozen=True):
    fraction: float


class Loaded(_Message, frozen=True):
    info: ModelInfo
    settings: EffectiveSettings


class LoadFailed(_Message, frozen=True):
    error: ErrorBody


class Failed(_Message, frozen=True):
    """The one error of a request."""

    request_id: str
    error: ErrorBody


class Step(_Message, frozen=True):
    """What one step of the engine gave, for all sequences."""

    chunks: list[Chunk]
    failed: list[Failed]
    rows: list[Rows] = []
    scores: list[Scores] = []
    tokenized: list[Tokenized] = []
    prompts: list[RenderedPrompt] = []
    measured: list[Measured] = []


class Pong(_Message, frozen=True):
    """`beats` moves while the worker comes on; None: it has nothing to do. `counted`: there are beats for each step of
    what is computed now; else it may take long between two."""

    beats: int | None = None
    counted: bool = True


FromWorker = Ready | Progress | Loaded | LoadFailed | Step | Pong

_encoder = msgspec.msgpack.Encoder()
_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


def encode(message: ToWorker | FromWorker) -> bytes:
    """A whole frame."""
    body = _encoder.encode(message)
    return HEADER.pack(len(body)) + body


def encode_request(request: GenerateRequest | SideRequest[Any]) -> bytes:
    """The frame of a request, checked as the worker will check it: a bad request must cost nobody but its sender.

    Raises:
        InvalidRequest: a field is of the wrong type, or holds what cannot be sent (a lone surrogate, a huge number).
    """
    try:
        frame = encode(_message(request))
        decode_to_worker(frame[HEADER.size :])
    except (msgspec.MsgspecError, UnicodeEncodeError, TypeError, OverflowError) as error:
        raise InvalidRequest(f"The request cannot be sent: {str(error)[:200]}.") from error
    return frame


def _message(request: GenerateRequest | SideRequest[Any]) -> ToWorker:
    match request:
        case EmbedRequest():
            return Embed(request)
        case RankRequest():
            return Rank(request)
        case ScoreRequest():
            return Score(request)
        case TokenizeRequest():
            return Tokenize(request)
        case PromptRequest():
            return Render(request)
        case MeasureRequest():
            return Measure(request)
        case GenerateRequest():
            return Add(request)
    raise TypeError(f"{type(request).__name__} cannot be sent")


def decode_to_worker(body: bytes) -> ToWorker:
    return _to_worker.decode(body)


def decode_from_worker(body: bytes) -> FromWorker:
    return _from_worker.decode(body)


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next frame's body; None at end of file, also in the middle of a frame. Blocks."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    (length,) = HEADER.unpack(header)
    if length > MAX_FRAME:
        return None
    body = stream.read(length)
    return body if len(body) == length else None


class Outbox:
    """The worker's way to the loader. Thread-safe. `descriptor` is a pipe's."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._offer: bytes | None = None
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def send(self, message: FromWorker) -> None:
        """Blocks while the reader is slow."""
        frame = encode(message)
        with self._lock:
            write_frame(self._descriptor, frame)
        self._send_offer()

    def offer(self, message: FromWorker) -> None:
        """Send a short message without ever waiting: it is left out where the reader has others to read first."""
        self._offer = encode(message)
        self._send_offer()

    def _send_offer(self) -> None:
        # Who finds the lock taken leaves its message to who has it.
        while self._offer is not None and self._lock.acquire(blocking=False):
            try:
                frame, self._offer = self._offer, None
                # A pipe that takes anything takes so much in one go.
                if frame is not None and len(frame) <= select.PIPE_BUF and self._poll.poll(0):
                    write_frame(self._descriptor, frame)
            finally:
                self._lock.release()


def write_frame(descriptor: int, frame: bytes) -> None:
    """Write all of it. Blocks while the reader is slow, which is what slows the engine down to its reader's pace."""
    view = memoryview(frame)
    while view:
        view = view[os.write(descriptor, view) :]
