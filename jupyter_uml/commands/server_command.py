"""Commands that act on the running server of this user."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Any

from traitlets import Enum, Int, Unicode

from jupyter_uml.client import AsyncUniversalClient
from jupyter_uml.client.discover import Server
from jupyter_uml.client.local_transport import LocalTransport
from jupyter_uml.commands.command import JSON_FLAG, Command
from jupyter_uml.commands.running import find_server
from jupyter_uml.errors import ConnectionFailed
from jupyter_uml.types import LoadSettings

_NO_SERVER = (
    "No server of yours is running. Start one with `jupyter uml` (or JupyterLab, with jupyter_uml installed), "
    "or name one with --url."
)
_SETTINGS = tuple(f.name for f in fields(LoadSettings) if f.name != "lora")


class ServerCommand(Command):
    """Finds the server, and says on stderr which one it is."""

    aliases = {"url": "ServerCommand.url"}  # noqa: RUF012  as traitlets wants it
    flags = JSON_FLAG
    url = Unicode(
        help="The server to ask, such as http://127.0.0.1:8000. Its key or token: in JUPYTER_UML_KEY. Without it: as "
        "JUPYTER_UML_URL says, else the server that runs, `jupyter uml` before one of notebooks.",
    ).tag(config=True)

    @asynccontextmanager
    async def client(self, *, or_here: bool = False) -> AsyncGenerator[AsyncUniversalClient, None]:
        """A client of the server. `or_here`: where none runs, one that looks at this machine itself.

        Raises:
            ConnectionFailed: none runs.
        """
        server = await self.server()
        if server is not None:
            self.tell(f"Server: {server.url}")
            async with AsyncUniversalClient(server.url, server.api_key) as client:
                yield client
        elif or_here:
            async with self._here() as client:
                yield client
        else:
            raise ConnectionFailed(_NO_SERVER)

    async def server(self) -> Server | None:
        """The one to ask; None: none runs."""
        return await find_server(self.url)

    def tell(self, text: str) -> None:
        """To the person who watches; programs read the standard output."""
        print(text, file=sys.stderr)

    @asynccontextmanager
    async def _here(self) -> AsyncGenerator[AsyncUniversalClient, None]:
        catalog = self.catalog()
        service = self.service(catalog)
        try:
            await catalog.refresh()
            yield AsyncUniversalClient(transport=LocalTransport(service))
        finally:
            await service.aclose()
            await catalog.close()


class SettingsCommand(ServerCommand):
    """With the settings of a load as options."""

    aliases = {  # noqa: RUF012
        **ServerCommand.aliases,
        **{name.replace("_", "-"): f"SettingsCommand.{name}" for name in _SETTINGS},
    }
    n_ctx = Int(None, allow_none=True, min=1, help="Tokens for each sequence, prompt and answer together.").tag(
        config=True
    )
    n_parallel = Int(None, allow_none=True, min=1, help="Sequences that run side by side.").tag(config=True)
    n_threads = Int(None, allow_none=True, min=1, help="Threads that compute answers.").tag(config=True)
    n_threads_batch = Int(None, allow_none=True, min=1, help="Threads that compute prompts.").tag(config=True)
    n_batch = Int(None, allow_none=True, min=1, help="Tokens of a prompt that are computed in one go.").tag(config=True)
    n_gpu_layers = Int(None, allow_none=True, min=-1, help="Layers on the GPU; -1: all.").tag(config=True)
    kv_type = Enum(
        ("f16", "q8_0", "q4_0"), None, allow_none=True, help="Numbers of the KV cache: f16, or coarser ones."
    ).tag(config=True)
    draft_model = Unicode(None, allow_none=True, help="A smaller model of the same family, which guesses ahead.").tag(
        config=True
    )

    def settings(self) -> dict[str, Any]:
        """Those that were given."""
        return {name: value for name in _SETTINGS if (value := getattr(self, name)) is not None}
