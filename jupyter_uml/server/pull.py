"""Pulling models from the hub: `POST pull` follows one, `GET pull` lists them, `DELETE pull/{id}` ends one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field

from jupyter_uml.errors import PermissionDenied, UmlError
from jupyter_uml.live.pull_rows import found_row, pull_row
from jupyter_uml.loader.hub.hub import Progress
from jupyter_uml.loader.hub.name import MAX_NAME, PullName
from jupyter_uml.loader.hub.pull import Found, Pull, Pulled, PullEvent
from jupyter_uml.protocol.body import StrictBody
from jupyter_uml.protocol.endpoint import Event
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.faults import unexpected
from jupyter_uml.server.stream import ClientGoneError, EventStream


class PullRequest(StrictBody):
    """`wait`: follow it by server-sent events, else its row comes at once. `dry_run`: only say what would come."""

    model: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    wait: bool = True
    dry_run: bool = False


class _PullHandler(UmlHandler):
    scope = "models:admin"

    def check_pull(self, name: PullName) -> None:
        """
        Raises:
            PermissionDenied: it is of a model that the principal may not use.
        """
        if not self.principal.may_use(str(name)):
            raise PermissionDenied("This key may not use this model.", param="model")


class PullsHandler(_PullHandler):
    async def get(self) -> None:
        running = [pull for pull in self.service.pulls.running() if self.principal.may_use(str(pull.name))]
        self.write_json({"pulls": [pull_row(pull) for pull in running]})

    async def post(self) -> None:
        body = self.parse(PullRequest)
        if body.dry_run:
            await self.while_connected(self._look(PullName.parse(body.model)))
            return
        async with self.audited("model.pull", body.model):
            name = PullName.parse(body.model)
            self.check_pull(name)
            pull = self.service.pulls.start(name)
        if body.wait:
            await self.while_connected(self._follow(pull))
        else:
            self.write_json(pull_row(pull), 202)

    async def _look(self, name: PullName) -> None:
        self.check_pull(name)
        self.write_json({"model": str(name), **found_row(await self.service.pulls.look(name))})

    async def _follow(self, pull: Pull) -> None:
        """Errors before the first event have a status of their own; later ones are an event. Leaving ends nothing."""
        stream = EventStream(self)
        try:
            await stream.send_all(events(pull))
        except Exception as error:
            if isinstance(error, ClientGoneError) or not stream.open:
                raise
            if not isinstance(error, UmlError):
                self.log.exception("request %s failed in its stream", self.request_id)
                error = unexpected(self.request_id)
            await stream.send([Event(self.error_body(error), "error")])


class PullHandler(_PullHandler):
    async def get(self, pull_id: str) -> None:
        """Also of one that has ended lately: with what is `done`, or with its `error`."""
        pull = self.service.pulls.known(pull_id)
        self.check_pull(pull.name)
        self.write_json({**pull_row(pull), **outcome(pull, unexpected(self.request_id))})

    async def delete(self, pull_id: str) -> None:
        async with self.audited("pull.cancel", pull_id):
            self.check_pull(self.service.pulls.get(pull_id).name)
            cancelled = await self.service.pulls.cancel(pull_id)
        self.write_json(pull_row(cancelled))


PULL_ROUTES: list[tuple[str, type[UmlHandler]]] = [("pull", PullsHandler), (r"pull/([A-Za-z0-9_]{1,64})", PullHandler)]


def outcome(pull: Pull, fault: UmlError) -> dict[str, Any]:
    """Both are None while it runs. `fault`: what is told of an error that nobody has foreseen."""
    try:
        return {"done": _done(pull, pull.outcome()) if pull.is_over else None, "error": None}
    except Exception as error:
        return {"done": None, "error": (error if isinstance(error, UmlError) else fault).to_dict()}


async def events(pull: Pull) -> AsyncGenerator[Event, None]:
    """A pull as server-sent events: `found`, `progress` any number of times, `done`.

    Raises:
        UmlError: it failed or was cancelled.
    """
    async with aclosing(pull.events()) as happened:
        async for event in happened:
            yield _event(pull, event)


def _event(pull: Pull, event: PullEvent) -> Event:
    match event:
        case Found():
            return Event({"id": pull.id, "model": str(pull.name), **found_row(event)}, "found")
        case Progress():
            return Event(asdict(event), "progress")
        case Pulled():
            return Event(_done(pull, event), "done")


def _done(pull: Pull, pulled: Pulled) -> dict[str, Any]:
    """Without its path."""
    return {"id": pull.id, "model": pulled.model, "commit": pulled.commit, "size_bytes": pulled.size_bytes}
