"""What was said in a panel: what the page shows of it, and what the model is told."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.chat.attached import Attached, asked
from jupyter_uml.kernel.chat.view import ChatView, Told
from jupyter_uml.types import Message

CUT_QUESTION = " … (longer than what is kept of a question: the model does not know what stands above any more)"

UNASKED: Told = {"parts": {"reasoning": 0, "text": 0}, "note": "stopped"}  # of an answer


@dataclass(frozen=True, slots=True)
class Turn:
    """`text`: as it was written, an answer in Markdown. `told`: what the page is told beside.

    `is_whole`: an answer that the model is told of later; `is_cut`: a question of which only the beginning is known.
    `generation`: the id under which the server keeps an answer.
    """

    id: str
    kind: Literal["question", "answer", "error"]
    text: str
    attached: tuple[Attached, ...] = ()
    told: Told | None = None
    is_whole: bool = False
    is_cut: bool = False
    generation: str = ""

    def shown(self) -> Told:
        told: Told = {"id": self.id, "kind": self.kind, **(self.told or {})}
        if self.kind == "question":
            told["attached"] = [each.told() for each in self.attached]
        return told if self.kind == "answer" else {**told, "text": self.text + (CUT_QUESTION if self.is_cut else "")}


class Turns:
    """Of one panel. It is changed on one thread at a time."""

    def __init__(self, view: ChatView) -> None:
        self._view = view
        self._all: list[Turn] = []
        self._numbers = itertools.count(1)

    def __iter__(self) -> Iterator[Turn]:
        return iter(self._all)

    def new_id(self) -> str:
        return str(next(self._numbers))

    def add(self, turn: Turn) -> None:
        self._all.append(turn)
        self._view.turns = [*self._view.turns, turn.shown()]

    def last(self) -> Turn | None:
        return self._all[-1] if self._all else None

    def question(self, turn: str | None = None) -> Turn | None:
        """The one of this id; the last one, if none is given."""
        return next((each for each in reversed(self._all) if each.kind == "question" and turn in (None, each.id)), None)

    def cut(self, turn: Turn) -> list[str]:
        """Drop it and all that came later; returns the generations of what is dropped.

        Raises:
            InvalidRequest: it is not there any more.
        """
        if turn not in self._all:
            raise InvalidRequest("This question is not there any more.")
        place = self._all.index(turn)
        dropped, self._all = self._all[place:], self._all[:place]
        self._view.turns = self._view.turns[:place]
        for each in dropped:
            self._view.forget_blocks(each.id)
        return [each.generation for each in dropped if each.generation]

    def clear(self) -> list[str]:
        return self.cut(self._all[0]) if self._all else []

    def messages(self) -> list[Message]:
        """Questions that were answered, with their answers: what the next one is asked with."""
        return [message for question, answer in self.answered() for message in (question, answer)]

    def answered(self) -> Sequence[tuple[Message, Message]]:
        pairs: list[tuple[Message, Message]] = []
        question: Turn | None = None
        for turn in self._all:
            if turn.kind == "question":
                question = turn
            elif turn.kind == "answer" and turn.is_whole and question is not None:
                pairs.append((asked(question.text, question.attached), Message("assistant", turn.text)))
                if question.is_cut:
                    pairs.clear()
        return pairs
