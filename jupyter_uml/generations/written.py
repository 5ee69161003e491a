"""An answer put together from its chunks, whole or as far as it has come."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_uml.types import CallDelta, Chunk, FinishReason, Timings, ToolCall, Usage


class WrittenAnswer:
    """What has come of an answer. While it is not over its `finish_reason` is "aborted": that is what it would be."""

    def __init__(self, model: str = "") -> None:
        self.model = model
        self._texts: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[CallDelta] = []
        self.last: Chunk | None = None  # the one that ended it

    def add(self, chunk: Chunk) -> None:
        self._texts.append(chunk.text)
        self._reasoning.append(chunk.reasoning)
        self._calls.extend(chunk.calls)
        if chunk.finish_reason is not None:
            self.last = chunk

    def copy(self) -> WrittenAnswer:
        """As it is now."""
        made = WrittenAnswer(self.model)
        made._texts, made._reasoning, made._calls = self._texts[:], self._reasoning[:], self._calls[:]
        made.last = self.last
        return made

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def reasoning(self) -> str:
        return "".join(self._reasoning)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The last one's arguments may not be whole."""
        return joined_calls(self._calls)

    @property
    def finish_reason(self) -> FinishReason:
        return (self.last.finish_reason if self.last else None) or "aborted"

    @property
    def stop_reason(self) -> str | int | None:
        return self.last.stop_reason if self.last else None

    @property
    def usage(self) -> Usage | None:
        return self.last.usage if self.last else None

    @property
    def timings(self) -> Timings | None:
        return self.last.timings if self.last else None


def joined_calls(deltas: Iterable[CallDelta]) -> tuple[ToolCall, ...]:
    """The calls that these are the pieces of."""
    pieces: dict[int, list[CallDelta]] = {}
    for delta in deltas:
        pieces.setdefault(delta.index, []).append(delta)
    return tuple(
        ToolCall(first.id or "", first.name or "", first.arguments + "".join(piece.arguments for piece in more))
        for _, (first, *more) in sorted(pieces.items())
    )
