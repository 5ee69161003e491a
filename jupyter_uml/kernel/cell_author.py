"""What the cells of a notebook ask, put together anew, from the first to the last, by the code that they run with.

Names are those of the kernel as they are now. Conversations are those of the notebook's cells alone, with the answers
of now; settings those that its cells `%uml set`, where there are any, else the session's. The file may be a stranger's:
no code is run but of cells that have run in this kernel.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jupyter_uml.client import Answer
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.cell_log import RanCell
from jupyter_uml.kernel.cells_above import Above, cells_above
from jupyter_uml.kernel.conversation import Conversations, Turn
from jupyter_uml.kernel.digests import prompt_sha256
from jupyter_uml.kernel.notebook import Notebook
from jupyter_uml.kernel.notebook_file import SavedCell
from jupyter_uml.kernel.question import Around, Question, compose, question_of
from jupyter_uml.kernel.settings import Settings
from jupyter_uml.kernel.words import words_of
from jupyter_uml.types import GenerateRequest

_LINE = re.compile(r"^[ \t]*%uml[ \t]+(set|reset)\b([^\n]*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Above:
    """The cells before one of a notebook file, as if they had just run."""

    running: str | None
    before: Sequence[SavedCell]

    def cells(self) -> list[RanCell]:
        return [
            RanCell(cell.id, cell.count, cell.source, cell.output) for cell in self.before if cell.count is not None
        ]


class CellAuthor:
    """An `Author`. `path`: of the file that the cells are from."""

    def __init__(self, notebook: Notebook, cells: Sequence[SavedCell], path: Path | None = None) -> None:
        self._notebook, self._cells, self._path = notebook, cells, path
        self._next = 0
        self._conversations = Conversations()
        self._lost: set[str] = set()  # conversations that go on from what is not known here
        self._questions: dict[int, Question] = {}
        self._ran = {ran.source.strip() for ran in notebook.log.cells()}
        sets = any(line[1] == "set" for cell in cells for line in _LINE.finditer(cell.source))
        self._settings = Settings(config=notebook.settings.config) if sets else notebook.settings

    def request(self, place: int) -> GenerateRequest:
        self._pass_to(place)
        cell = self._cells[place]
        found = question_of(cell.source, self._notebook.names, reads_only := self._is_foreign(cell))
        if found is None:
            raise InvalidRequest("It is no %%uml cell any more.")
        line, text = found
        if line.wish is not None:
            raise InvalidRequest("It is about an error, which is gone with its session.")
        options = line.options
        self._notebook.tell_model(options)
        if options.chat in self._lost:
            raise InvalidRequest("The conversation before it called functions, and these are not run here.")
        chat = None if options.chat is None else self._conversations.open(options.chat)
        arounds = [
            Around(self._notebook.names, self._settings, chat, above, cell.id, reads_only)
            for above in (self._above(place, options.cells) if options.cells else [None])
        ]
        questions = [compose(options, text, around) for around in arounds]
        self._questions[place] = question = next((each for each in questions if _as_recorded(each, cell)), questions[0])
        return question.request

    def answered(self, place: int, answer: Answer) -> None:
        question = self._questions.pop(place)
        name = question.options.chat
        if name is None:
            return
        if answer.tool_calls:
            self._lost.add(name)
        chat = self._conversations.open(name)
        chat.system = question.options.system
        self._conversations.take(chat, Turn(self._cells[place].id, (question.asked, answer.message)))

    def _is_foreign(self, cell: SavedCell) -> bool:
        """Whether nobody has run this source here."""
        return cell.source.strip() not in self._ran

    def _pass_to(self, place: int) -> None:
        """What the commands before the cell did, and those in it."""
        for cell in self._cells[self._next : place + 1]:
            for line in _LINE.finditer(cell.source):
                with suppress(InvalidRequest):  # it did nothing when it ran, either
                    self._do(line[1], words_of(line[2], self._notebook.names, self._is_foreign(cell)))
        self._next = place + 1

    def _do(self, command: str, words: Sequence[str]) -> None:
        match command, words:
            case "set", [name, value]:
                self._settings.change(name, value)
            case "reset", _:
                name = words[0] if words else ""
                self._lost.discard(name)
                self._conversations.forget(name)

    def _above(self, place: int, count: int) -> list[Above]:
        """As the file has the cells, and as a kernel shows them that knew no file."""
        log = _Above(self._cells[place].id, self._cells[:place])
        return [cells_above(log, count, path) for path in dict.fromkeys((self._path, None))]


def _as_recorded(question: Question, cell: SavedCell) -> bool:
    records = [answer.record for answer in cell.answers]
    return bool(records and records[0] and records[0].prompt_sha256 == prompt_sha256(question.request))
