"""What a process without a server says of itself, as one would: answers under way are seen and stopped here, too."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import TypeVar

from jupyter_uml.live import Live, Message, Run, Running, View
from jupyter_uml.live.view import OWNER
from jupyter_uml.service import Service
from jupyter_uml.types import Chunk, GenerateRequest, GenerationLabel, ModelStatus, RunningAnswer, SideRequest

_BEAT_SECONDS = 60.0  # nobody waits for signs of life here
_VIEW = View()

R = TypeVar("R")


class Shown:
    """The service's verbs, for one request that is seen while it runs."""

    def __init__(self, service: Service, run: Run) -> None:
        self._service, self._run = service, run

    @property
    def origin(self) -> Service:
        return self._service

    @property
    def run(self) -> Run:
        return self._run

    async def model(self, model_id: str) -> ModelStatus:
        return await self._service.model(model_id)

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        return self._run.chunks(request, self._service.generate(request))

    async def compute(self, request: SideRequest[R]) -> R:
        return await self._run.result(self._service.compute(request))


def live_of(service: Service) -> Live:
    return Live(service, Running())


@contextmanager
def shown(
    live: Live, service: Service, request_id: str, model: str, route: str, label: GenerationLabel | None = None
) -> Iterator[Shown]:
    """`route`: which endpoint of a server would have been asked."""
    run = live.running.enter(request_id, model, OWNER.id, OWNER.name, route, label)
    try:
        yield Shown(service, run)
    finally:
        live.running.leave(run)


async def answer(live: Live, service: Service, request: GenerateRequest, route: str) -> AsyncGenerator[Chunk, None]:
    with shown(live, service, request.id, request.model, route) as verbs:
        async with aclosing(verbs.generate(request)) as chunks:
            async for chunk in chunks:
                yield chunk


async def events(live: Callable[[], Live]) -> AsyncGenerator[Message, None]:
    """As `GET events` tells them."""
    async with aclosing(live().messages(_VIEW, _BEAT_SECONDS)) as messages:
        async for message in messages:
            if message is not None:
                yield message


async def running(live: Live) -> list[RunningAnswer]:
    return list(_VIEW.running(live.running))


async def stop_running(live: Live, run_id: str) -> RunningAnswer:
    """
    Raises:
        GenerationNotFound: nothing of this id is being answered.
    """
    run = live.running.get(run_id, _VIEW.may_stop)
    await run.stop()
    return _VIEW.row(run)
