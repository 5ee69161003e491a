"""Server-sent events: bytes in, events out. Pure, and indifferent to where the network cut the bytes.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_EVENT_BYTES = 16 * 2**20
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerEvent:
    data: str
    event: str = "message"
    id: str = ""


class SSEDecoder:
    """Feed it bytes; each call returns the events that are complete by now. Comments (heartbeats) give no event."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []  # pieces of the line that is not complete yet
        self._after_cr = False  # the last line ended in CR: an LF that follows belongs to it
        self._first = True
        self._event = ""
        self._id = ""
        self._data: list[str] = []
        self._size = 0  # bytes held back

    def feed(self, piece: bytes) -> list[ServerEvent]:
        """Raises ValueError when one event outgrows `MAX_EVENT_BYTES`."""
        self._size += len(piece)
        events = [event for line in self._lines(piece) if (event := self._line(line)) is not None]
        if self._size > MAX_EVENT_BYTES:
            raise ValueError("a server-sent event is too large")
        return events

    def _lines(self, piece: bytes) -> list[bytes]:
        """The lines that `piece` completes, without looking again at what came before it."""
        if self._after_cr and piece:
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr = self._after_cr or piece.endswith(b"\r")
        head, *others = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest.append(head)
        if not others:
            return []
        lines = [b"".join(self._rest), *others[:-1]]
        self._rest = others[-1:]
        if self._first:
            lines[0] = lines[0].removeprefix(_BOM)
            self._first = False
        return lines

    def _line(self, line: bytes) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode("utf-8", errors="replace")
        if name == b"data":
            self._data.append(text)
        elif name == b"event":
            self._event = text
        elif name == b"id" and "\0" not in text:
            self._id = text
        return None

    def _dispatch(self) -> ServerEvent | None:
        data, event = self._data, self._event
        self._data, self._event, self._size = [], "", sum(map(len, self._rest))
        return ServerEvent("\n".join(data), event or "message", self._id) if data else None
