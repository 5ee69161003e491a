"""`ChatPanel`: a conversation with a model, in a notebook."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import ipywidgets as widgets

from jupyter_uml.client import UniversalClient
from jupyter_uml.client.loop_thread import Job
from jupyter_uml.errors import UmlError
from jupyter_uml.kernel import figures
from jupyter_uml.kernel.follow import Pace, watch_answer
from jupyter_uml.kernel.render import Written, answer_html
from jupyter_uml.kernel.session import announce_activity, shared_client
from jupyter_uml.kernel.stream_view import StreamView
from jupyter_uml.types import Message

log = logging.getLogger(__name__)


class ChatPanel(widgets.VBox):
    """Ask a model, read its answer as it is written, ask on.

    `model` None: the one used last, or else the demo model. Answers come in on the client's own thread, so the
    kernel stays free for other cells.
    """

    def __init__(
        self, model: str | None = None, system: str | None = None, *, client: UniversalClient | None = None
    ) -> None:
        self.model, self.system = model, system
        self.view = StreamView(heading=model or "Chat", hint="Ask a question. The conversation stays in this kernel.")
        super().__init__([self.view])
        self._client = client or shared_client()
        self._messages: list[Message] = []
        self._job: Job[None] | None = None
        self.view.on_action(self._on_action)
        self._client.background.start(self._head())

    def __repr__(self) -> str:
        return f"ChatPanel(model={self.model!r})"

    def send(self, text: str) -> None:
        """Ask; returns at once. While an answer is being written, nothing happens."""
        if text.strip() and not self.view.busy:
            self._turn({"kind": "question", "text": text.strip()})
            self._begin([*self._messages, Message("user", text.strip())])

    def stop(self) -> None:
        """Stop the answer; what has come stays."""
        if self._job is not None:
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
            self._begin([*self._messages, Message("user", question)])

    def wait(self) -> None:
        """Until the answer is there, or has failed."""
        if self._job is not None:
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

    def _begin(self, messages: list[Message]) -> None:
        self.view.busy, self.view.live = True, {"html": "", "note": "…"}
        self._job = self._client.background.start(self._answer(messages))

    async def _head(self) -> None:
        """Say which model will be asked, where that is known already."""
        with contextlib.suppress(UmlError):
            model = self.model or await self._client.aio.default_model()
            self.view.heading = model

    async def _answer(self, messages: list[Message]) -> None:
        """Runs on the client's thread, where alone the view is changed until it ends."""
        stream = self._client.aio.stream(messages, model=self.model, system=self.system)
        error, pace = "", Pace()
        try:
            async for event in watch_answer(self._client.aio, stream, pace):
                announce_activity()
                if isinstance(event, str):
                    self.view.heading = stream.model or ""
                    pace.sent(self._show(stream))
                else:
                    self.view.live = {"html": "", "note": figures.waiting_note(event)}
        except UmlError as failure:
            error = str(failure)
        except Exception:  # nobody awaits this task: its fault would be seen nowhere
            log.exception("the chat panel failed")
            error = "Something went wrong in the panel; the kernel's log tells more."
        finally:
            await stream.aclose()
            self._end(messages, stream, "" if error else figures.answer_note(stream.answer), error)

    async def _forget(self, answer: Job[None] | None) -> None:
        if answer is not None:
            await asyncio.gather(asyncio.wrap_future(answer.future), return_exceptions=True)
        self._messages, self.view.turns = [], []

    def _show(self, answer: Written) -> int:
        html = answer_html(answer)
        self.view.live = {"html": html, "note": ""}
        return len(html)

    def _end(self, messages: list[Message], answer: Written, note: str, error: str) -> None:
        with self.view.hold_sync():
            if answer.text or answer.reasoning or not error:
                self._turn({"kind": "answer", "html": answer_html(answer), "note": note or "not complete"})
            if error:
                self._turn({"kind": "error", "text": error})
            elif answer.text:
                self._messages = [*messages, Message("assistant", answer.text)]
            self.view.live, self.view.busy = {}, False

    def _turn(self, turn: dict[str, Any]) -> None:
        self.view.turns = [*self.view.turns, turn]
