"""Answers that are kept: they go on when their readers go away, which a request asks for by the header X-Generation-Id.

The work of such an answer is a task of its own, which has the passage through the gate; whoever asks reads its log.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import orjson
from pydantic import Field
from tornado.httputil import HTTPHeaders

from jupyter_uml.access import Principal
from jupyter_uml.errors import GenerationAborted, InvalidRequest, UmlError
from jupyter_uml.generations import Generation, Generations
from jupyter_uml.protocol.body import StrictBody, validated
from jupyter_uml.protocol.endpoint import Caller, Endpoint, Event
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.faults import unexpected
from jupyter_uml.server.gate import Gate
from jupyter_uml.server.image_fetcher import ImageFetcher
from jupyter_uml.server.passage import Passage
from jupyter_uml.server.stream import EventStream
from jupyter_uml.service import Service
from jupyter_uml.types import (
    MAX_CELL,
    MAX_QUESTION,
    Chunk,
    GenerateRequest,
    GenerationKind,
    GenerationLabel,
    Hold,
    ModelStatus,
    SideRequest,
)

GENERATION_HEADER, LABEL_HEADER = "X-Generation-Id", "X-Generation-Label"
MAX_LABEL = 2048  # bytes
ITEM_BYTES = 64  # that an event takes in memory beside its content
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")

log = logging.getLogger(__name__)

R = TypeVar("R")


class LabelBody(StrictBody):
    """What may stand in the header X-Generation-Label, as JSON in ASCII."""

    kind: GenerationKind = "client"
    cell: Annotated[str, Field(max_length=MAX_CELL)] | None = None
    question: Annotated[str, Field(max_length=MAX_QUESTION)] = ""


def generation_id(headers: HTTPHeaders) -> str:
    """
    Raises:
        InvalidRequest: that is none.
    """
    if _ID.fullmatch(found := headers[GENERATION_HEADER]) is None:
        raise InvalidRequest("An id has 8 to 64 letters, digits, - and _.", param=GENERATION_HEADER)
    return found


def label_of(headers: HTTPHeaders) -> GenerationLabel:
    """
    Raises:
        InvalidRequest: it is too long, or something in it is wrong.
    """
    text = headers.get(LABEL_HEADER, "{}")
    if len(text) > MAX_LABEL:
        raise InvalidRequest(f"A label has {MAX_LABEL} bytes at most.", param=LABEL_HEADER)
    try:
        sent = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("A label is a JSON object.", param=LABEL_HEADER) from error
    body = validated(LabelBody, sent)
    return GenerationLabel(body.kind, body.cell, body.question)


# --- the work ---


@dataclass(frozen=True, slots=True)
class EndpointWork:
    """An endpoint's answer, written into a generation. It knows nothing of the request that asked for it."""

    gate: Gate
    fetcher: ImageFetcher
    endpoint: Endpoint[Any]
    body: Any
    principal: Principal
    request_id: str
    route: str
    hold: Hold

    async def __call__(self, generation: Generation[bytes]) -> None:
        try:
            await self._answer(generation)
        except asyncio.CancelledError:
            self._add_error(generation, GenerationAborted("The generation was stopped."))
            raise
        except Exception as error:
            if not isinstance(error, UmlError):
                log.exception("request %s failed", self.request_id)
            known = error if isinstance(error, UmlError) else unexpected(self.request_id)
            self._add_error(generation, known)
            raise known from error

    async def _answer(self, generation: Generation[bytes]) -> None:
        generation.answer.model = self.body.model
        label = generation.asked.label
        async with self.gate.enter(self.principal, self.request_id, self.route, label) as passage:
            await passage.admit(self.body.model)
            passage.stop_by(generation.stop)
            generation.answer.model = passage.model_id or self.body.model
            images = await self.fetcher.fetch_for(self.body)
            caller = Caller(self.principal.id, self.request_id.removeprefix("req_"), images, self.hold)
            events = self.endpoint.events(_Overheard(passage, generation), self.body, caller)
            async with aclosing(recorded(passage, events)) as told:
                async for event in told:
                    _add(generation, event)

    def _add_error(self, generation: Generation[bytes], error: UmlError) -> None:
        """As the last event. Before the first one an error has a status instead."""
        if generation.log.last:
            _add(generation, self.endpoint.error_event(error, self.request_id))
            generation.error_is_logged = True


def _add(generation: Generation[bytes], event: Event) -> None:
    content = event.encode()
    generation.add(content, len(content) + ITEM_BYTES)


class _Overheard:
    """The verbs of a passage. What the first answer says is put together for people, too."""

    def __init__(self, passage: Passage, generation: Generation[bytes]) -> None:
        self._passage, self._generation = passage, generation
        self._begun = False

    @property
    def origin(self) -> Service:
        return self._passage.origin

    async def model(self, model_id: str) -> ModelStatus:
        return await self._passage.model(model_id)

    async def compute(self, request: SideRequest[R]) -> R:
        return await self._passage.compute(request)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        generation, is_first, self._begun = self._generation, not self._begun, True
        async with aclosing(self._passage.generate(request)) as chunks:
            async for chunk in chunks:
                generation.tokens += chunk.tokens
                if is_first:
                    generation.answer.add(chunk)
                yield chunk


async def recorded(passage: Passage, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """The events; the record is written before the last one."""
    async with aclosing(events):
        async for event in events:
            if event.is_last:
                await passage.end()
            yield event


# --- its readers ---


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event with its number, by which a reader says how far it has come."""

    number: int
    content: bytes

    def encode(self) -> bytes:
        return b"id: %d\n" % self.number + self.content


async def tell(
    handler: UmlHandler,
    generations: Generations[bytes],
    generation: Generation[bytes],
    error_event: Callable[[UmlError], Event],
    after: int = 0,
) -> None:
    """Send what a generation has said and will say, beginning after the event of this number.

    Raises:
        UmlError: there is no event to begin with.
        ClientGoneError: the reader has left. The generation goes on.
    """
    stream = EventStream(handler, headers=lambda: handler.gate.limit_headers(handler.principal))
    try:
        await stream.send_all(_events(generation, after))
    except UmlError as error:
        if generation.failed_at_once:
            generations.discard(generation)  # it has been told, and there is nothing else of it
        if not stream.open:
            raise
        await stream.send([error_event(error)])
    generation.read = not generation.is_running


async def _events(generation: Generation[bytes], after: int) -> AsyncGenerator[LoggedEvent, None]:
    async with aclosing(generation.items(after)) as items:
        async for number, content in items:
            yield LoggedEvent(number, content)
