"""Commands about keys and usage: by the running server of this user, or where none runs by the files themselves."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from jupyter_uml.client import ApiKey, AsyncUniversalClient
from jupyter_uml.client.discover import Server
from jupyter_uml.client.local_records import LocalRecords
from jupyter_uml.client.local_transport import LocalTransport
from jupyter_uml.commands.running import as_owner
from jupyter_uml.commands.server_command import ServerCommand
from jupyter_uml.defaults import default_state_dir
from jupyter_uml.errors import InvalidRequest, KeyNotFound


class RecordsCommand(ServerCommand):
    """Whoever owns the files may do all: the key that a kernel has would not do."""

    async def server(self) -> Server | None:
        server = await super().server()
        return server and (server if self.url else as_owner(server))

    @asynccontextmanager
    async def _here(self) -> AsyncGenerator[AsyncUniversalClient, None]:
        self.tell("No server runs; the next one will know.")
        folder = Path(self.setting("state_dir", str(default_state_dir()))).expanduser()
        yield AsyncUniversalClient(transport=LocalTransport(records=LocalRecords(folder)))


def words(text: str) -> list[str]:
    """What stands between commas."""
    return [word for part in text.split(",") if (word := part.strip())]


def key_of(keys: Iterable[ApiKey], word: str) -> ApiKey:
    """The key of this id or name.

    Raises:
        KeyNotFound: there is none.
        InvalidRequest: several have the name.
    """
    known = list(keys)
    found = [key for key in known if key.id == word] or [key for key in known if key.name == word]
    active = [key for key in found if key.state == "active"]
    match active or found:
        case []:
            raise KeyNotFound(f"No key has the id or name {word!r}. `jupyter uml keys list --all` shows all.")
        case [key]:
            return key
        case several:
            ids = ", ".join(key.id for key in several)
            raise InvalidRequest(f"Several keys are called {word!r}. Say which by its id: {ids}.")
