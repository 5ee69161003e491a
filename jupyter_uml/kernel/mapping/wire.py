"""How rows are asked. Their answers come whole: a stream of a few tokens costs more than they do."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_uml.client import AsyncUniversalClient
from jupyter_uml.client.answer_socket import AnswerSocket
from jupyter_uml.client.arguments import to_request
from jupyter_uml.client.discover import own_kernel_id
from jupyter_uml.client.request_body import request_body, request_path
from jupyter_uml.client.time_limit import time_limit
from jupyter_uml.client.transport import Transport
from jupyter_uml.client.wire import usage_from
from jupyter_uml.errors import StreamInterrupted, UmlError
from jupyter_uml.types import Message, Usage


@dataclass(frozen=True, slots=True)
class Reply:
    """`finish`: why the answer ended."""

    text: str
    finish: str
    usage: Usage


class Wire:
    """Over one WebSocket where the client talks to a server that opens one; else as the client does. Close it."""

    def __init__(self, client: AsyncUniversalClient, options: Mapping[str, Any]) -> None:
        """`options`: as for `chat`, the same for all rows."""
        self._client, self._options = client, options
        self._socket: AnswerSocket | None = None
        self._transport: Transport | None = None

    async def open(self) -> None:
        self._transport = await self._client.transport()
        if (server := await self._client.server()) is None:
            return
        self._socket = AnswerSocket(server.url, server.api_key, kernel=own_kernel_id())
        try:
            await self._socket.connect()
            self._transport = self._socket
        except UmlError:  # some proxies do not let sockets pass
            pass

    async def ask(self, model: str, messages: tuple[Message, ...]) -> Reply:
        """
        Raises:
            UmlError: it was refused, failed, or took longer than the client's time-out.
        """
        assert self._transport is not None, "not open"
        request = to_request(uuid.uuid4().hex, model, self._options, messages=messages)
        body = request_body(request) | {"stream": False}
        del body["stream_options"]
        async with time_limit(self._client.timeout):
            answer = await self._transport.whole(request_path(request), body)
        try:
            choice = answer["choices"][0]
            return Reply(choice["message"]["content"] or "", choice["finish_reason"], usage_from(answer["usage"]))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise StreamInterrupted("The server sent an answer of another shape than OpenAI's.") from error

    async def aclose(self) -> None:
        if self._socket is not None:
            await self._socket.aclose()
