"""Pulling models from the hub: `POST pull` follows one, `GET pull` lists them, `DELETE pull/{id}` ends one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field

from jupyter_uml.errors import PermissionDenied, UmlError
from jupyter_uml.loader.hub.hub import Progress
from jupyter_uml.loader.hub.name import MAX_NAME, PullName
from jupyter_uml.loader.hub.pull import Found, Pull, Pulled, PullEvent
from jupyter_uml.protocol.body import StrictBody
from jupyter_uml.protocol.endpoint import Event
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.faults import unexpected
from jupyter_uml.server.stream import ClientGoneError, EventStream


class PullRequest(StrictBody):
    """`wait`: follow it by server-sent events, else its row comes at once."""

    model: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    wait: bool = True


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
        self.write_json({"pulls": [row(pull) for pull in running]})

    async def post(self) -> None:
        body = self.parse(PullRequest)
        async with self.audited("model.pull", body.model):
            name = PullName.parse(body.model)
            self.check_pull(name)
            pull = self.service.pulls.start(name)
        if body.wait:
            await self.while_connected(self._follow(pull))
        else:
            self.write_json(row(pull), 202)

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
        pull = self.service.pulls.get(pull_id)
        self.check_pull(pull.name)
        self.write_json(row(pull))

    async def delete(self, pull_id: str) -> None:
        async with self.audited("pull.cancel", pull_id):
            self.check_pull(self.service.pulls.get(pull_id).name)
            cancelled = await self.service.pulls.cancel(pull_id)
        self.write_json(row(cancelled))


PULL_ROUTES: list[tuple[str, type[UmlHandler]]] = [("pull", PullsHandler), (r"pull/([A-Za-z0-9_]{1,64})", PullHandler)]


async def events(pull: Pull) -> AsyncGenerator[Event, None]:
    """A pull as server-sent events: `found`, `progress` any number of times, `done`.

    Raises:
        UmlError: it failed or was cancelled.
    """
    async with aclosing(pull.events()) as happened:
        async for event in happened:
            yield _event(pull, event)


def row(pull: Pull) -> dict[str, Any]:
    """How far it is."""
    found = _found(pull.found) if pull.found else None
    progress = asdict(pull.progress) if pull.progress else None
    return {"id": pull.id, "model": str(pull.name), "found": found, "progress": progress}


def _event(pull: Pull, event: PullEvent) -> Event:
    match event:
        case Found():
            return Event({"id": pull.id, "model": str(pull.name), **_found(event)}, "found")
        case Progress():
            return Event(asdict(event), "progress")
        case Pulled():  # without its path
            figures = {"model": event.model, "commit": event.commit, "size_bytes": event.size_bytes}
            return Event({"id": pull.id, **figures}, "done")


def _found(found: Found) -> dict[str, Any]:
    listing, choice = found.listing, found.choice
    return {
        "repository": listing.repo,
        "commit": listing.commit,
        "quantisation": choice.offer.quantisation,
        "files": [file.path for file in choice.files],
        "size_bytes": choice.size_bytes,
        "why": choice.why,
        "offers": [
            {"quantisation": offer.quantisation, "file": offer.name, "size_bytes": offer.size_bytes}
            for offer in listing.offers
        ],
        "other_formats": list(listing.other_formats),
    }
