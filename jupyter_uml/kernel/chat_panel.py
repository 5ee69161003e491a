"""`ChatPanel`: a conversation with a model, in a notebook."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from jupyter_uml.client import UniversalClient
from jupyter_uml.client.discover import own_kernel_id
from jupyter_uml.client.loop_thread import Job
from jupyter_uml.errors import InvalidRequest, UmlError
from jupyter_uml.kernel.audience import Audience
from jupyter_uml.kernel.cells_above import notebook_path
from jupyter_uml.kernel.chat.attached import Attached, asked
from jupyter_uml.kernel.chat.desk import Desk
from jupyter_uml.kernel.chat.export import Cell, cells_of, save
from jupyter_uml.kernel.chat.reader import Reader
from jupyter_uml.kernel.chat.settings import faults_of, options_of, texts_of
from jupyter_uml.kernel.chat.turns import UNASKED, Turn, Turns
from jupyter_uml.kernel.chat.variables import notebook_names
from jupyter_uml.kernel.chat.view import ChatView
from jupyter_uml.kernel.earlier_answers import earlier_answers
from jupyter_uml.kernel.running_cell import running_cell
from jupyter_uml.kernel.session import shared_client
from jupyter_uml.types import MAX_QUESTION, GenerationLabel, GenerationStatus, Message


class ChatPanel(widgets.VBox):
    """Ask a model, read its answer as it is written, ask on.

    `model` None: the one used last, or else the demo model. Answers come in on the client's own thread, so the
    kernel stays free for other cells. They go on without it: a panel that is made again in the same cell, after the
    kernel was restarted or the page was lost, goes on with the conversation.
    """

    def __init__(
        self, model: str | None = None, system: str | None = None, *, client: UniversalClient | None = None
    ) -> None:
        settings, self._cell = texts_of(model, system), running_cell()
        cell = f"{own_kernel_id()}/{self._cell}" if self._cell else ""
        origin = {"cell": cell, "settings": settings}
        self.view = ChatView(heading=model or "Chat", hint="Ask a question.", settings=settings, origin=origin)
        super().__init__([self.view])
        self._client = client or shared_client()
        self._turns = Turns(self.view)
        self._desk = Desk(self.view, self._client)
        self._asked, self._left = False, 0  # a question that waits; answers of before that are still to be read
        self._reader = Reader(self.view, self._turns, self._client.aio, lambda: self._asked or self._left > 0)
        self.view.observe(self._settings_changed, "settings")
        self._audience = Audience(self._client.background, self._desk.look)
        self.view.on_action(self._on_action, self._audience.hear)
        self._returned: Job[None] = self._client.background.start(self._return())
        self._job = self._reading = self._returned

    def __repr__(self) -> str:
        return f"ChatPanel(model={self.model!r})"

    @property
    def model(self) -> str | None:
        """The model that is asked, where one was chosen."""
        return self.view.settings.get("model") or None

    @model.setter
    def model(self, model: str | None) -> None:
        self.view.settings = {**self.view.settings, "model": model or ""}

    @property
    def system(self) -> str | None:
        """What the model is told before the conversation."""
        return self.view.settings.get("system") or None

    @system.setter
    def system(self, system: str | None) -> None:
        self.view.settings = {**self.view.settings, "system": system or ""}

    # --- what a person does: each returns at once, and does nothing while an answer is being written ---------------

    def send(self, text: str) -> None:
        """Ask, with what is attached.

        Raises:
            InvalidRequest: a setting is wrong, or a variable that is attached cannot be read; nothing is lost.
        """
        if (question := _written(text)) and not self.view.busy:
            self._begin(question, self._desk.read())
            self._desk.clear()

    def regenerate(self) -> None:
        """Ask the last question again; its answer goes.

        Raises:
            InvalidRequest: a setting is wrong, or the question is not known whole any more.
        """
        question = self._turns.question()
        if question is not None and not self.view.busy:
            if question.is_cut:
                raise InvalidRequest("Only the beginning of this question is known any more: edit it.")
            self._begin(question.text, question.attached, question)

    def edit(self, turn: str, text: str) -> None:
        """Ask a question in other words, with what went with it; it and all that came later goes."""
        question = self._turns.question(turn)
        if question is not None and (words := _written(text)) and not self.view.busy:
            self._begin(words, question.attached, question)

    def retry(self) -> None:
        """Ask again what was answered by an error."""
        if (last := self._turns.last()) is not None and last.kind == "error":
            self.regenerate()

    def stop(self) -> None:
        """Stop the answer; what has come stays."""
        self._client.background.start(_cancel(self._returned, self._reading))

    def clear(self) -> None:
        """Forget the conversation."""
        self.stop()
        self._job = self._client.background.start(self._forget_all(self._job))

    def cells(self) -> list[Cell]:
        """The conversation as cells of a notebook, `kind` and `source` of each: harmless to show, and not run."""
        return cells_of(self._turns)

    def save(self) -> Path:
        """Write the conversation into a new notebook beside this one; returns its path."""
        path = notebook_path(notebook_names())
        return save(self.cells(), path.parent if path else Path.cwd())

    def wait(self) -> None:
        """Until the answer is there, or has failed."""
        self._job.wait()

    def close(self) -> None:
        """Show nothing any more, and listen to nothing; an answer under way goes on without it."""
        if "_audience" in vars(self):  # ipywidgets closes also what was never built to its end
            self._audience.leave()
            self.view.close()
        super().close()

    def _on_action(self, action: str, fields: Mapping[str, Any], buffers: Sequence[memoryview]) -> None:
        text, turn, name = (str(fields.get(field) or "") for field in ("text", "turn", "name"))
        actions: dict[str, Callable[[], object]] = {
            "send": lambda: self.send(text),
            "stop": self.stop,
            "clear": self.clear,
            "retry": self.retry,
            "regenerate": self.regenerate,
            "edit": lambda: self.edit(turn, text),
            "models": self._desk.list_models,
            "variables": self._desk.list_variables,
            "attach": lambda: self._desk.attach_variable(name),
            "image": lambda: self._desk.attach_image(name, bytes(buffers[0]) if buffers else b""),
            "detach": lambda: self._desk.detach(name),
            "cells": lambda: self.view.send({"kind": "cells", "view": fields.get("view"), "cells": self.cells()}),
            "save": lambda: self._say(f"Saved as {self.save().name}"),
        }
        self._say("")
        try:
            actions.get(action, lambda: None)()
        except UmlError as error:
            self._say(str(error))

    def _say(self, notice: str) -> None:
        self.view.notice = notice

    def _settings_changed(self, _: object) -> None:
        self.view.faults = faults_of(self.view.settings)
        self._say("")
        if self.model and not self.view.busy:
            self.view.heading = self.model

    # --- what comes of it, on the client's thread, where alone the conversation is changed until it ends -------------

    def _begin(self, question: str, attached: Sequence[Attached], replaced: Turn | None = None) -> None:
        """`replaced`: a question that goes, with all that came later, as soon as somebody is there to answer.

        Raises:
            InvalidRequest: a setting or what is attached is wrong; nothing has changed.
        """
        options, message = options_of(self.view.settings), asked(question, attached)
        turn = Turn(self._turns.new_id(), "question", question, tuple(attached))
        self._asked = self.view.busy = True
        self._reading = self._client.background.start(self._answer(turn, message, options, replaced, self._job))
        self._job = self._reading

    async def _return(self) -> None:
        """Say which model will be asked, where that is known already, and what was said in this cell before."""
        with contextlib.suppress(UmlError):
            self.view.heading = self.model or await self._client.aio.default_model()
            await self._desk.refresh()
        with contextlib.suppress(UmlError):
            await self._read_all_again(await earlier_answers(self._client.aio, self._cell))

    async def _read_all_again(self, rows: Sequence[GenerationStatus]) -> None:
        try:
            for number, row in enumerate(rows, 1):
                self._left = len(rows) - number
                await self._read_again(row)
        finally:
            self._left = 0
            self._reader.idle()

    async def _read_again(self, row: GenerationStatus) -> None:
        is_cut = len(row.question) >= MAX_QUESTION
        self._turns.add(Turn(self._turns.new_id(), "question", row.question, is_cut=is_cut))
        await self._reader.read(self._client.aio.attach(row.id), was_stopped=row.state == "stopped")

    async def _answer(
        self,
        question: Turn,
        message: Message,
        options: Mapping[str, Any],
        replaced: Turn | None,
        before: Job[None],
    ) -> None:
        try:
            await _over(before)
            await self._make_room(replaced)
        except UmlError as error:
            self._say(str(error))
            return self._unasked()
        except asyncio.CancelledError:
            await _over(before)
            if replaced is None or replaced not in self._turns:
                self._turns.add(question)
                self._turns.add(Turn(self._turns.new_id(), "answer", "", told=UNASKED))
            self._unasked()
            raise
        self._asked = False
        messages = [*self._turns.messages(), message]
        self._turns.add(question)
        label = GenerationLabel("panel", self._cell, _label(question)[:MAX_QUESTION])
        await self._reader.read(self._client.aio.stream(messages, label=label, **options))

    def _unasked(self) -> None:
        self._asked = False
        self._reader.idle()

    async def _make_room(self, replaced: Turn | None) -> None:
        """
        Raises:
            UmlError: nobody can be asked; nothing is gone.
        """
        if replaced is not None:
            await self._desk.refresh()
            await self._forget(self._turns.cut(replaced))

    async def _forget_all(self, answer: Job[None]) -> None:
        await _over(answer)
        await self._forget(self._turns.clear())

    async def _forget(self, generations: Sequence[str]) -> None:
        """The server keeps them no longer, so that they do not come back with the conversation."""
        for generation in dict.fromkeys(generations):
            with contextlib.suppress(UmlError):
                await self._client.aio.stop(generation)


async def _cancel(*jobs: Job[None]) -> None:
    """On the loop, where they have begun by now: one that never begins cannot put back what it was given."""
    for job in jobs:
        job.cancel()


async def _over(job: Job[None]) -> None:
    """However it ends."""
    await asyncio.gather(asyncio.wrap_future(job.future), return_exceptions=True)


def _written(text: str) -> str:
    """As it can be sent: half of a character, of which UTF-16 has two, is in no UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()


def _label(question: Turn) -> str:
    """What is kept of it: of what was attached, the names."""
    names = ", ".join(each.name for each in question.attached)
    return f"{question.text}\n(with {names})" if names else question.text
