"""One answer: from the cache, or asked for and shown while it comes; recorded with its output, and remembered."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from jupyter_uml.client import Answer, AsyncStream
from jupyter_uml.display.note import answer_note, ending, is_cut
from jupyter_uml.display.tree import tree_html
from jupyter_uml.errors import UmlError
from jupyter_uml.kernel import notes
from jupyter_uml.kernel.answer_cache import Mode, Remembered, answer_cache, key_of, wanted
from jupyter_uml.kernel.cell_view import view_for
from jupyter_uml.kernel.follow import Pace, watch_answer
from jupyter_uml.kernel.notebook import Notebook
from jupyter_uml.kernel.origin import Origin, origin_of
from jupyter_uml.kernel.record import NAMESPACE, AnswerRecord
from jupyter_uml.types import GenerateRequest

if TYPE_CHECKING:
    from jupyter_uml.client.schemas import TypedJSON

SEEDS = 1 << 31


class Told(NamedTuple):
    """An answer as it was shown, and the record that stands in its output."""

    answer: Answer
    record: AnswerRecord


class Answering:
    """Of one cell, each answer in an output of its own. `form`: in which they were asked for. `remarks`: the end of the
    line under the first."""

    def __init__(
        self, notebook: Notebook, mode: Mode, form: TypedJSON | None = None, remarks: Sequence[str] = ()
    ) -> None:
        self._notebook = notebook
        self._client = notebook.client
        self._mode = mode
        self._form = form
        self._remarks = tuple(remarks)
        self._view = view_for(notebook.shell)

    def answer(self, request: GenerateRequest) -> Told:
        """One that was stopped is what had come, with the finish reason "aborted".

        Raises:
            UmlError: it failed; what had come is shown.
        """
        self._view = view_for(self._notebook.shell)
        request = replace(request, model=request.model or self._notebook.meant or self._client.default_model())
        found = self._remembered(request) if wanted(self._mode, request) else None
        self._notebook.meant = found.answer.model if found else None
        told = self._show_remembered(found) if found else self._ask(request)
        self._remarks = ()
        return told

    def _remembered(self, request: GenerateRequest) -> Remembered | None:
        origin = self._origin(request.model)
        key = key_of(request, origin) if origin else None
        return answer_cache().remembered(key) if key else None

    def _show_remembered(self, found: Remembered) -> Told:
        answer, record = found
        note = self._line(answer.model, "from the cache", ending(answer))
        self._show(answer, note, record, warn=is_cut(answer), final=True)
        return Told(answer, record)

    def _ask(self, request: GenerateRequest) -> Told:
        asked = self._with_seed(request)
        stream = self._client.aio.generate(asked)
        record = AnswerRecord.of(asked)
        try:
            self._follow(stream, record)
        except UmlError:
            if stream.text or stream.reasoning:
                note = self._line(stream.model, "not complete")
                self._show(stream, note, replace(record, state="failed"), final=True)
            raise
        except KeyboardInterrupt:
            return self._stopped(stream, record)
        return self._end(request, stream.answer, record)

    def _stopped(self, stream: AsyncStream, record: AnswerRecord) -> Told:
        """What had come; a call that was cut is of no use to anybody."""
        model = stream.model or record.model
        answer = Answer(stream.text, model, "aborted", reasoning=stream.reasoning)
        record = record.ended(answer, None, "stopped")
        self._show(stream, self._note(answer), record, final=True)
        return Told(answer, record)

    def _follow(self, stream: AsyncStream, record: AnswerRecord) -> None:
        pace = Pace()
        with closing(self._client.background.iterate(watch_answer(self._client.aio, stream, pace))) as events:
            for event in events:
                if isinstance(event, str):
                    pace.sent(self._show(stream, self._line(stream.model, "…"), record))
                elif event.state == "loaded":
                    self._show(stream, notes.waiting_note(event), record)
                else:
                    self._view.progress(notes.waiting_note(event), event.progress)

    def _end(self, request: GenerateRequest, answer: Answer, record: AnswerRecord) -> Told:
        """Says how it ended, and keeps it if it is whole. `request`: as it was written, without a seed drawn for it."""
        origin = self._origin(answer.model)
        record = record.ended(answer, origin)
        note = self._note(answer)
        self._show(answer, note, record, warn=is_cut(answer), final=True)
        if wanted(self._mode, request) and origin is not None and (key := key_of(request, origin)):
            answer_cache().remember(key, answer, record)
        return Told(answer, record)

    def _with_seed(self, request: GenerateRequest) -> GenerateRequest:
        """So that the same answer can be asked for again."""
        if request.params.seed is not None or self._notebook.has_own_seed(request.model):
            return request
        params = replace(request.params, seed=secrets.randbelow(SEEDS))
        given = None if request.given is None else request.given | {"seed"}
        return replace(request, params=params, given=given)

    def _origin(self, model: str) -> Origin | None:
        with suppress(UmlError):  # whoever asks will be told
            return self._client.background.run(origin_of(self._client.aio, model, answer_cache()))
        return None

    def _note(self, answer: Answer) -> str:
        return self._line(answer_note(answer))

    def _line(self, *parts: str | None) -> str:
        return " · ".join(part for part in (*parts, *self._remarks) if part)

    def _show(
        self, written: Answer | AsyncStream, note: str, record: AnswerRecord, warn: bool = False, final: bool = False
    ) -> int:
        body = self._object_html(written) if final and isinstance(written, Answer) else None
        metadata = {NAMESPACE: record.to_dict()}
        return self._view.answer(written, note, final, warn=warn, metadata=metadata, body=body)

    def _object_html(self, answer: Answer) -> str | None:
        """None: it is no object, or not whole."""
        if self._form is None or answer.tool_calls:
            return None
        with suppress(ValueError):
            self._form.read(answer.text)
            return tree_html(json.loads(answer.text))
        return None
