"""OpenAI's routes: parse, call the service, answer or stream."""

from __future__ import annotations

import time
from contextlib import aclosing

from jupyter_uml.errors import UmlError
from jupyter_uml.protocol.completions import (
    Answer,
    ChatCompletionRequest,
    ChatForm,
    CompletionRequest,
    Form,
    TextForm,
    models_body,
)
from jupyter_uml.server.base import UmlHandler, unexpected
from jupyter_uml.server.stream import ClientGoneError, EventStream
from jupyter_uml.types import GenerateRequest

_STARTED = int(time.time())


class ModelListHandler(UmlHandler):
    scope = "models:read"

    async def get(self) -> None:
        self.write_json(models_body(await self.service.models(), _STARTED))


class ModelCardHandler(UmlHandler):
    scope = "models:read"

    async def get(self, model_id: str) -> None:
        self.write_json(models_body([await self.service.model(model_id)], _STARTED)["data"][0])


class _CompletionHandler(UmlHandler):
    """The two completion endpoints differ in their bodies only."""

    scope = "infer"
    form: Form
    body: type[ChatCompletionRequest | CompletionRequest]

    async def post(self) -> None:
        body = self.parse(self.body)
        request = body.to_native(self.request_id.removeprefix("req_"), self.principal.name)
        answer = Answer(self.form, request, int(time.time()))
        try:
            if body.stream:
                await self._stream(request, answer, body.wants_usage)
            else:
                self.write_json(answer.whole(await self.collect(self.service.generate(request))))
        except ClientGoneError:
            pass  # the generation has been aborted, and nobody waits for an answer

    async def _stream(self, request: GenerateRequest, answer: Answer, wants_usage: bool) -> None:
        """Errors before the first event have a status of their own; later ones are an event."""
        self.events = events = EventStream(self)
        try:
            async with aclosing(events.watch(self.service.generate(request))) as chunks:
                async for chunk in chunks:
                    if chunk is None:
                        await events.ping()
                        continue
                    if not events.open and (opening := answer.opening()):
                        await events.send(opening)
                    await events.send(answer.piece(chunk))
                    if chunk.finish_reason and wants_usage:
                        await events.send(answer.closing(chunk))
            await events.done()
        except UmlError as error:
            if not events.open:
                raise
            await events.send({"error": error.to_dict()}, name="error")
        except Exception as error:
            if isinstance(error, ClientGoneError) or not events.open:
                raise
            self.log.exception("request %s failed in its stream", self.request_id)
            await events.send({"error": unexpected(self.request_id).to_dict()}, name="error")


class ChatCompletionsHandler(_CompletionHandler):
    form, body = ChatForm, ChatCompletionRequest


class CompletionsHandler(_CompletionHandler):
    form, body = TextForm, CompletionRequest
