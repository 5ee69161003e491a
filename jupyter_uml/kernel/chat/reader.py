"""Reads answers to their ends, and shows them while they come."""

from __future__ import annotations

import logging
from collections.abc import Callable

from jupyter_uml.client import AsyncStream, AsyncUniversalClient
from jupyter_uml.display.note import answer_note
from jupyter_uml.errors import ContextLengthExceeded, GenerationAborted, UmlError
from jupyter_uml.kernel import notes
from jupyter_uml.kernel.chat.live_answer import LiveAnswer
from jupyter_uml.kernel.chat.turns import Turn, Turns
from jupyter_uml.kernel.chat.view import ChatView
from jupyter_uml.kernel.follow import Pace, watch_answer

log = logging.getLogger(__name__)


class Reader:
    """Of one panel, one answer at a time. On the client's thread, where alone what is said is changed until it ends.

    `waits`: whether another one is to be read after this one, so that the panel stays busy in between.
    """

    def __init__(self, view: ChatView, turns: Turns, client: AsyncUniversalClient, waits: Callable[[], bool]) -> None:
        self._view, self._turns, self._client, self._waits = view, turns, client, waits

    async def read(self, stream: AsyncStream, *, was_stopped: bool = False) -> None:
        """Show it as it comes; how it ended, or failed, becomes a turn. `was_stopped`: that it ends early is known."""
        turn, pace, error = self._turns.new_id(), Pace(), ""
        live = LiveAnswer(self._view, turn)
        self._view.busy = True
        live.wait("…")
        try:
            async for event in watch_answer(self._client, stream, pace):
                if isinstance(event, str):
                    self._view.heading = stream.model or ""
                    pace.sent(live.show(stream))
                else:
                    live.wait(notes.waiting_note(event))
        except UmlError as failure:
            error = "" if was_stopped and isinstance(failure, GenerationAborted) else self._told(failure)
        except Exception:
            error = _fault()
        finally:
            await stream.aclose()
            self._end(turn, stream, live, error)

    def idle(self) -> None:
        """Nothing is being written any more."""
        self._view.live, self._view.busy = {}, self._waits()

    def _end(self, turn: str, stream: AsyncStream, live: LiveAnswer, error: str) -> None:
        with self._view.hold_sync():
            try:
                if stream.text or stream.reasoning or not error:
                    self._turns.add(_answered(turn, stream, live, error))
            except Exception:
                error = _fault()
            if error:
                self._turns.add(Turn(self._turns.new_id(), "error", error, generation=stream.id))
            self.idle()

    def _told(self, error: UmlError) -> str:
        """What a question shares the context with is not seen in it."""
        if isinstance(error, ContextLengthExceeded) and self._turns.answered():
            return f"{error} It holds all that was said: edit an earlier question, or clear the conversation."
        return str(error)


def _answered(turn: str, stream: AsyncStream, live: LiveAnswer, error: str) -> Turn:
    note = "not complete" if error else answer_note(stream.answer)
    told = {"parts": live.finish(stream), "note": note}
    is_whole = bool(stream.text) and not error
    return Turn(turn, "answer", stream.text, told=told, is_whole=is_whole, generation=stream.id)


def _fault() -> str:
    """Nobody awaits what reads: a fault of its own would be seen nowhere."""
    log.exception("the chat panel failed")
    return "Something went wrong in the panel; the kernel's log tells more."
