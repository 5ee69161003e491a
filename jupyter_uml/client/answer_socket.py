"""Many whole answers over one WebSocket: for the rows of a table, whose few tokens cost less than a stream each."""

from __future__ import annotations

from typing import Any

from jupyter_uml.client.retry import with_retries
from jupyter_uml.client.socket_transport import SocketTransport
from jupyter_uml.errors import StreamInterrupted


class AnswerSocket(SocketTransport):
    """As `SocketTransport`, and `whole` goes over the socket, too."""

    async def connect(self) -> None:
        """
        Raises:
            ConnectionFailed: there is no server, or something on the way does not let WebSockets pass.
            UmlError: the server does not open one for this key, or not now.
        """
        await self._socket()

    async def whole(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        begun = await with_retries(lambda: self._begin(path, body), idempotent=False, policy=self._retry)
        socket, id_, hearing, message = begun
        try:
            while message["type"] != "done":
                message = await hearing.next()
        finally:
            await socket.leave(id_)
        if not isinstance(answer := message.get("data"), dict):
            raise StreamInterrupted("The answer was stopped.")
        return answer
