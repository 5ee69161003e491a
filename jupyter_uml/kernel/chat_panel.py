"""`ChatPanel`: a conversation with a model, in a notebook."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import ipywidgets as widgets

from jupyter_uml.client import AsyncStream, UniversalClient
from jupyter_uml.client.loop_thread import Job
from jupyter_uml.display.note import answer_note
from jupyter_uml.display.render import Written, answer_html
from jupyter_uml.errors import UmlError
from jupyter_uml.kernel import notes
from jupyter_uml.kernel.earlier_answers import earlier_answers
from jupyter_uml.kernel.follow import Pace, watch_answer
from jupyter_uml.kernel.running_cell import running_cell
from jupyter_uml.kernel.session import announce_activity, shared_client
from jupyter_uml.kernel.stream_view import StreamView
from jupyter_uml.types import MAX_QUESTION, GenerationLabel, GenerationStatus, Message

CUT_QUESTION = " … (longer than what is kept of a question: the model does not know what stands above any more)"

log = logging.getLogger(__name__)


class ChatPanel(widgets.VBox):
    """Ask a model, read its answer as it is written, ask on.

    `model` None: the one used last, or else the demo model. Answers come in on the client's own thread, so the
    kernel stays free for other cells. They go on without it: a panel that is made again in the same cell, after the
    kernel was restarted or the page was lost, goes on with the conversation.
    """

    def __init__(
        self, model: str | None = None, system: str | None = None, *, client: UniversalClient | None = None
    ) -> None:
        self.model, self.system = model, system
        self.view = StreamView(heading=model or "Chat", hint="Ask a question.")
        super().__init__([self.view])
        self._client = client or shared_client()
        self._messages: list[Message] = []
        self._cell = running_cell()
        self._kept: list[str] = []  # ids of its answers, as the server keeps them
        self.view.on_action(self._on_action)
        self._returned: Job[None] = self._client.background.start(self._return())
        self._job = self._returned

    def __repr__(self) -> str:
        return f"ChatPanel(model={self.model!r})"

    def send(self, text: str) -> None:
        """Ask; returns at once. While an answer is being written, nothing happens."""
        if text.strip() and not self.view.busy:
            self._begin(text.strip())

    def stop(self) -> None:
        """Stop the answer; what has come stays."""
        self._job.cancel()

    def clear(self) -> None:
        """Forget the conversation."""
        self.stop()
        self._job = self._client.background.start(self._forget(self._job))

    def retry(self) -> None:
        """Ask again what was answered by an error."""
        if not self.view.busy and self.view.turns and self.view.turns[-1]["kind"] == "error":
            self.view.turns = self.view.turns[:-1]
            question = next(turn["text"] for turn in reversed(self.view.turns) if turn["kind"] == "question")
            self._begin(question, is_shown=True)

    def wait(self) -> None:
        """Until the answer is there, or has failed."""
        self._job.wait()

    def _on_action(self, action: str, text: str) -> None:
        match action:
            case "send":
                self.send(text)
            case "stop":
                self.stop()
            case "clear":
                self.clear()
            case "retry":
                self.retry()

    def _begin(self, question: str, is_shown: bool = False) -> None:
        self._busy()
        self._job = self._client.background.start(self._answer(question, is_shown))

    async def _return(self) -> None:
        """Say which model will be asked, where that is known already, and what was said in this cell before."""
        with contextlib.suppress(UmlError):
            self.view.heading = self.model or await self._client.aio.default_model()
        with contextlib.suppress(UmlError):
            for row in await earlier_answers(self._client.aio, self._cell):
                await self._read_again(row)

    async def _read_again(self, row: GenerationStatus) -> None:
        is_cut = len(row.question) >= MAX_QUESTION
        self._question(row.question + (CUT_QUESTION if is_cut else ""))
        await self._read(row.question, self._client.aio.attach(row.id))
        if is_cut:
            self._messages = []

    async def _answer(self, question: str, is_shown: bool) -> None:
        try:
            await asyncio.wait([asyncio.wrap_future(self._returned.future)])
        except asyncio.CancelledError:
            self._idle()
            raise
        if not is_shown:
            self._question(question)
        messages = [*self._messages, Message("user", question)]
        label = GenerationLabel("panel", self._cell, question[:MAX_QUESTION])
        stream = self._client.aio.stream(messages, model=self.model, system=self.system, label=label)
        await self._read(question, stream)

    async def _read(self, question: str, stream: AsyncStream) -> None:
        """Runs on the client's thread, where alone the view is changed until it ends."""
        self._busy()
        self._kept.append(stream.id)
        error, pace = "", Pace()
        try:
            async for event in watch_answer(self._client.aio, stream, pace):
                announce_activity()
                if isinstance(event, str):
                    self.view.heading = stream.model or ""
                    pace.sent(self._show(stream))
                else:
                    self.view.live = {"html": "", "note": notes.waiting_note(event)}
        except UmlError as failure:
            error = str(failure)
        except Exception:  # nobody awaits this task: its fault would be seen nowhere
            log.exception("the chat panel failed")
            error = "Something went wrong in the panel; the kernel's log tells more."
        finally:
            await stream.aclose()
            self._end(question, stream, "" if error else answer_note(stream.answer), error)

    async def _forget(self, answer: Job[None]) -> None:
        await asyncio.wait([asyncio.wrap_future(answer.future)])
        for kept in self._kept:
            with contextlib.suppress(UmlError):
                await self._client.aio.stop(kept)
        self._messages, self.view.turns, self._kept = [], [], []

    def _show(self, answer: Written) -> int:
        html = answer_html(answer)
        self.view.live = {"html": html, "note": ""}
        return len(html)

    def _end(self, question: str, answer: Written, note: str, error: str) -> None:
        with self.view.hold_sync():
            if answer.text or answer.reasoning or not error:
                self._turn({"kind": "answer", "html": answer_html(answer), "note": note or "not complete"})
            if error:
                self._turn({"kind": "error", "text": error})
            elif answer.text:
                self._messages += [Message("user", question), Message("assistant", answer.text)]
            self._idle()

    def _busy(self) -> None:
        self.view.busy, self.view.live = True, {"html": "", "note": "…"}

    def _idle(self) -> None:
        self.view.live, self.view.busy = {}, False

    def _question(self, text: str) -> None:
        self._turn({"kind": "question", "text": text})

    def _turn(self, turn: dict[str, Any]) -> None:
        self.view.turns = [*self.view.turns, turn]
