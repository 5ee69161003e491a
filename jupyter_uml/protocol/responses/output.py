"""The items of an answer while they grow: each says by which events it begins, goes on and ends.

Events have no sequence numbers yet; whoever sends them counts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

from jupyter_uml.protocol.openai.logprobs import ChatLogprobs
from jupyter_uml.protocol.responses.items import sealed
from jupyter_uml.types import TokenLogprob

Body = dict[str, Any]
Status = Literal["in_progress", "completed", "incomplete"]


class OutputItem(ABC):
    """`id`: of the item; `place`: its index in the answer's output."""

    prefix: ClassVar[str]  # of the id
    text_event: ClassVar[str]  # the events of its text are this with .delta and .done

    def __init__(self, item_id: str, place: int) -> None:
        self.id, self._place = item_id, place
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    @abstractmethod
    def body(self, status: Status) -> Body:
        """The item as it is now; while in progress, as it began."""

    def begin(self) -> list[Body]:
        return [self._about("response.output_item.added", "in_progress")]

    def go_on(self, piece: str, logprobs: tuple[TokenLogprob, ...] = ()) -> Body:
        self._pieces.append(piece)
        return self._event(f"{self.text_event}.delta", delta=piece)

    def end(self, status: Status) -> list[Body]:
        return [self._about("response.output_item.done", status)]

    def _event(self, kind: str, **more: Any) -> Body:
        return {"type": kind, "item_id": self.id, "output_index": self._place, **more}

    def _about(self, kind: str, status: Status) -> Body:
        return {"type": kind, "output_index": self._place, "item": self.body(status)}


class FunctionCall(OutputItem):
    prefix, text_event = "fc", "response.function_call_arguments"

    def __init__(self, item_id: str, place: int, call_id: str, name: str) -> None:
        super().__init__(item_id, place)
        self._call: Body = {"call_id": call_id, "name": name}

    def body(self, status: Status) -> Body:
        return {"id": self.id, "type": "function_call", "status": status, "arguments": self.text, **self._call}

    def end(self, status: Status) -> list[Body]:
        done = self._event(f"{self.text_event}.done", name=self._call["name"], arguments=self.text)
        return [done, *super().end(status)]


class _OnePart(OutputItem):
    """An item whose text is in one part."""

    part_event: ClassVar[str] = "response.content_part"
    index: ClassVar[str] = "content_index"

    def begin(self) -> list[Body]:
        return [*super().begin(), self._of_part(f"{self.part_event}.added", part=self._part())]

    def go_on(self, piece: str, logprobs: tuple[TokenLogprob, ...] = ()) -> Body:
        return {**super().go_on(piece), self.index: 0}

    def end(self, status: Status) -> list[Body]:
        text = self._of_part(f"{self.text_event}.done", text=self.text)
        part = self._of_part(f"{self.part_event}.done", part=self._part())
        return [text, part, *super().end(status)]

    def _of_part(self, kind: str, **more: Any) -> Body:
        return self._event(kind, **{self.index: 0}, **more)

    @abstractmethod
    def _part(self) -> Body: ...

    def _parts(self, status: Status) -> list[Body]:
        return [] if status == "in_progress" else [self._part()]


class OutputMessage(_OnePart):
    prefix, text_event = "msg", "response.output_text"

    def __init__(self, item_id: str, place: int) -> None:
        super().__init__(item_id, place)
        self._writer = ChatLogprobs()
        self._logprobs: list[Body] = []

    def go_on(self, piece: str, logprobs: tuple[TokenLogprob, ...] = ()) -> Body:
        written = self._writer.body(logprobs)["content"]
        self._logprobs += written
        return {**super().go_on(piece), "logprobs": written}

    def end(self, status: Status) -> list[Body]:
        text, *others = super().end(status)
        return [{**text, "logprobs": self._logprobs}, *others]

    def body(self, status: Status) -> Body:
        return {
            "id": self.id,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": self._parts(status),
        }

    def _part(self) -> Body:
        return {"type": "output_text", "text": self.text, "annotations": [], "logprobs": self._logprobs}


class Reasoning(_OnePart):
    """What the model thinks, in the item's `content`."""

    prefix, text_event = "rs", "response.reasoning_text"

    def __init__(self, item_id: str, place: int, seal: bool) -> None:
        super().__init__(item_id, place)
        self._seal = seal

    def body(self, status: Status) -> Body:
        seal = {"encrypted_content": sealed(self.text)} if self._seal and status != "in_progress" else {}
        return {"id": self.id, "type": "reasoning", "status": status, "summary": [], **self._where(status), **seal}

    def _where(self, status: Status) -> Body:
        return {"content": self._parts(status)}

    def _part(self) -> Body:
        return {"type": "reasoning_text", "text": self.text}


class SummarizedReasoning(Reasoning):
    """The same in the item's `summary`."""

    text_event = "response.reasoning_summary_text"
    part_event, index = "response.reasoning_summary_part", "summary_index"

    def _where(self, status: Status) -> Body:
        return {"summary": self._parts(status)}

    def _part(self) -> Body:
        return {"type": "summary_text", "text": self.text}
