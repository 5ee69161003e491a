"""The line that says whether a model would fit into memory; it changes while settings are typed."""

from __future__ import annotations

import asyncio
from typing import Any

import ipywidgets as widgets

from jupyter_uml.client import UniversalClient
from jupyter_uml.client.loop_thread import Job
from jupyter_uml.display.render import escape
from jupyter_uml.errors import ConnectionFailed, RouteNotFound, UmlError
from jupyter_uml.kernel import notes
from jupyter_uml.kernel.tables import verdict_dot
from jupyter_uml.types import MemoryEstimate

QUIET_SECONDS = 0.3  # without a change, before the server is asked


class FitNote:
    """`html` is the widget."""

    def __init__(self, client: UniversalClient) -> None:
        self.html = widgets.HTML().add_class("uml-fit")
        self._client = client
        self._job: Job[None] | None = None
        self._about: str | None = None
        self.say("")

    def ask(self, model: str | None, settings: dict[str, Any]) -> None:
        """Show the verdict about a model as soon as it is known, and none about None; returns at once."""
        if self._job is not None:
            self._job.cancel()
        if model != self._about:
            self.say("")  # what is shown is about another one
        self._about = model
        self._job = self._client.background.start(self._estimate(model, settings)) if model is not None else None

    def say(self, text: str, dot: str = "") -> None:
        self.html.value = dot + escape(text)
        self.html.layout.display = "" if text else "none"

    async def _estimate(self, model: str, settings: dict[str, Any]) -> None:
        await asyncio.sleep(QUIET_SECONDS)
        try:
            estimate = await self._client.aio.estimate(model, **settings)
        except (ConnectionFailed, RouteNotFound):
            self.say("")  # an older server, or none: the panel itself says so
        except UmlError as error:
            self.say(str(error))
        else:
            self.say(_words(estimate), verdict_dot(estimate))


def _words(estimate: MemoryEstimate) -> str:
    """`Fits: needs 812 MiB, has 7.9 GiB · context 4096 tokens, …`."""
    verdict = estimate.verdict[:1].upper() + estimate.verdict[1:]
    return " · ".join(part for part in (verdict, notes.fit_note(estimate)) if part)
