"""Who looks at a widget: nothing is done for a page that is hidden, closed or gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from IPython.core.getipython import get_ipython

from jupyter_uml.client.loop_thread import LoopThread

LEASE_SECONDS = 60.0  # a page that is seen says so every 15 s; one that was killed says nothing any more


class Audience:
    """`tell(True)` when the first view is seen, `tell(False)` when none is any more; both on `background`'s loop.

    What a page says may have to wait until a cell is done, and so may the end of a lease.
    """

    def __init__(self, background: LoopThread, tell: Callable[[bool], object]) -> None:
        self._loop, self._tell = background.loop, tell
        self._heard: dict[str, float] = {}  # by view: when it was seen last, as the loop counts
        self._timer: asyncio.TimerHandle | None = None
        self._is_cell_running = False

    def hear(self, view: str, seen: bool) -> None:
        """A view's page says whether it is seen; returns at once."""
        self._soon(self._hear, view, seen)

    def leave(self) -> None:
        """Nobody looks any more; returns at once."""
        self._soon(self._forget)

    def _soon(self, work: Callable[..., object], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and all that would be done for the page
            self._loop.call_soon_threadsafe(work, *arguments)

    def _hear(self, view: str, seen: bool) -> None:
        if not seen:
            self._heard.pop(view, None)
            if not self._heard:
                self._forget()
            return
        self._heard[view] = self._loop.time()
        if self._timer is None:
            self._wait()
            self._watch_cells(True)
            self._tell(True)

    def _forget(self) -> None:
        self._heard.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._watch_cells(False)
            self._tell(False)

    def _wait(self) -> None:
        self._timer = self._loop.call_later(LEASE_SECONDS, self._expire)

    def _expire(self) -> None:
        oldest = self._loop.time() - LEASE_SECONDS
        if not self._is_cell_running:
            self._heard = {view: time for view, time in self._heard.items() if time > oldest}
        if self._heard:
            self._wait()
        else:
            self._forget()

    # --- cells ---

    def _watch_cells(self, begin: bool) -> None:
        shell = get_ipython()
        if shell is not None:
            change = shell.events.register if begin else shell.events.unregister
            change("pre_execute", self._cell_begins)
            change("post_execute", self._cell_ends)
        self._is_cell_running = False  # the end of one that runs would not be heard

    def _cell_begins(self) -> None:
        self._is_cell_running = True

    def _cell_ends(self) -> None:
        self._is_cell_running = False
        self._soon(self._renew)

    def _renew(self) -> None:
        self._heard = dict.fromkeys(self._heard, self._loop.time())
