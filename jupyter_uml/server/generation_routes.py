"""Kept answers: `GET generations` lists them, `GET generations/{id}/events` reads one on, `DELETE` stops it.

Everybody sees his own only. Reading is not limited: what it reads was admitted when it was asked for.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.generations import Generation, Generations
from jupyter_uml.protocol.body import StrictBody, validated
from jupyter_uml.protocol.endpoint import Event, plain_error
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.kept import tell
from jupyter_uml.server.kernels import KERNEL_HEADER
from jupyter_uml.server.owners import owners
from jupyter_uml.server.shown import Shown

LAST_EVENT_HEADER = "Last-Event-ID"
LONGEST_LOG = 10**9  # events


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 10 else value


class GenerationsQuery(StrictBody):
    """`kernel`: whose notebook asked for them."""

    kernel: Annotated[str, Field(max_length=64)] | None = None


class EventsQuery(StrictBody):
    """`after`: the number of the last event that is known; the header Last-Event-ID says the same."""

    after: Annotated[int, Field(ge=0, le=LONGEST_LOG), BeforeValidator(_number)] = 0


Query = TypeVar("Query", GenerationsQuery, EventsQuery)


class _GenerationHandler(UmlHandler):
    """Whoever may make answers may read and stop his own."""

    scope = "infer"

    def initialize(self, generations: Generations[bytes], **shared: Any) -> None:  # type: ignore[override]
        super().initialize(**shared)
        self.generations = generations

    async def own(self, generation_id: str) -> Generation[bytes]:
        """
        Raises:
            GenerationNotFound: whoever asks has none of this id.
        """
        return self.generations.get(await self.owner_of(generation_id), generation_id)

    async def owner_of(self, generation_id: str) -> str:
        """Where there is none of this id, whoever asks."""
        own = await owners(self)
        return next((owner for owner in own if self.generations.has(owner, generation_id)), own[0])

    def query(self, model: type[Query]) -> Query:
        names = [name for name in self.request.query_arguments if name != "token"]  # Jupyter's credential
        return validated(model, {name: self.get_query_argument(name) for name in names})


class GenerationsHandler(_GenerationHandler):
    async def get(self) -> None:
        kernel = self.query(GenerationsQuery).kernel
        found = [each.status() for owner in await owners(self) for each in self.generations.all(owner, kernel)]
        found.sort(key=lambda row: row.created, reverse=True)
        self.write_json({"generations": [asdict(row) for row in found]})


class GenerationHandler(_GenerationHandler):
    async def get(self, generation_id: str) -> None:
        self.write_json((await self.own(generation_id)).status())

    async def delete(self, generation_id: str) -> None:
        """A kernel that is restarted is interrupted first, which is no wish to stop anything: its notebook stays."""
        if self.kernels.is_ending(self.request.headers.get(KERNEL_HEADER, "")):
            generation = await self.own(generation_id)
        else:
            generation = await self.generations.stop(await self.owner_of(generation_id), generation_id)
        self.write_json(generation.status())


class GenerationEventsHandler(_GenerationHandler):
    async def get(self, generation_id: str) -> None:
        generation, after = await self.own(generation_id), self._after()
        await self.while_connected(tell(self, self.generations, generation, _error_event, after))

    def _after(self) -> int:
        """
        Raises:
            InvalidRequest: that is no number.
        """
        last = self.request.headers.get(LAST_EVENT_HEADER)
        if last is None:
            return self.query(EventsQuery).after
        if not (isinstance(number := _number(last), int)):
            raise InvalidRequest("The number of an event is expected.", param=LAST_EVENT_HEADER)
        return number


class GenerationOutputHandler(_GenerationHandler):
    def initialize(self, shown: Shown, **shared: Any) -> None:  # type: ignore[override]
        super().initialize(**shared)
        self.shown = shown

    async def get(self, generation_id: str) -> None:
        """As its cell would show it by now."""
        generation = await self.own(generation_id)
        row = generation.status()
        data = await self.shown.bundle(generation)
        record = {"generation": row.id, "state": row.state, "model": row.model}
        self.write_json({"generation": asdict(row), "data": data, "metadata": {"jupyter_uml": record}})


def _error_event(error: Any) -> Event:
    return Event(plain_error(error), "error")


_ID = r"generations/([A-Za-z0-9_-]{1,64})"
GENERATION_ROUTES: list[tuple[str, type[UmlHandler]]] = [
    ("generations", GenerationsHandler),
    (_ID, GenerationHandler),
    (f"{_ID}/events", GenerationEventsHandler),
    (f"{_ID}/output", GenerationOutputHandler),
]
