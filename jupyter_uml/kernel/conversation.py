"""Conversations that go on over cells: a turn belongs to the cell that asked.

A cell that is run again takes its turn again: it is asked what stood before it, and its new answer is in the old one's
place. Later turns stay, as the cells that they belong to do, so what a model is told is what the page shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import Message


@dataclass(slots=True)
class Turn:
    """`cell`: its id; None where nobody tells cells apart. `messages`: the question, calls and results, the answer."""

    cell: str | None
    messages: tuple[Message, ...]


@dataclass(slots=True)
class Conversation:
    name: str
    system: str | None = None
    turns: list[Turn] = field(default_factory=list)

    def before(self, cell: str | None) -> list[Message]:
        """What has been said when it is the cell's turn."""
        return [message for turn in self.turns[: self.place(cell)] for message in turn.messages]

    def place(self, cell: str | None) -> int:
        """Which turn is the cell's; the next one, if it had none."""
        cells = [turn.cell for turn in self.turns]
        return cells.index(cell) if cell is not None and cell in cells else len(cells)

    def take(self, turn: Turn) -> None:
        place = self.place(turn.cell)
        self.turns[place : place + 1] = [turn]


class Conversations:
    """Of one session, by name; the one without has the empty name."""

    def __init__(self) -> None:
        self._all: dict[str, Conversation] = {}

    def __iter__(self) -> Iterator[Conversation]:
        return iter(list(self._all.values()))

    def open(self, name: str) -> Conversation:
        return self._all.setdefault(name, Conversation(name))

    def named(self, name: str) -> Conversation:
        """
        Raises:
            InvalidRequest: there is none.
        """
        found = self._all.get(name)
        if found is None or not found.turns:
            which = f"no conversation {name!r}" if name else "no conversation yet"
            others = ", ".join(each.name for each in self if each.turns and each.name)
            raise InvalidRequest(f"There is {which}" + (f"; there is {others}." if others else "."), param="name")
        return found

    def forget(self, name: str) -> Conversation:
        conversation = self.named(name)
        del self._all[name]
        return conversation

    def take(self, conversation: Conversation, turn: Turn) -> None:
        """The cell's turn in this conversation, and in no other."""
        for other in self:
            if other is not conversation and turn.cell is not None:
                other.turns[:] = [each for each in other.turns if each.cell != turn.cell]
        conversation.take(turn)
