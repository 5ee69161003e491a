"""The Python client. `UniversalClient` for notebooks and scripts, `AsyncUniversalClient` for asyncio."""

from jupyter_uml.client.client import AsyncUniversalClient, UniversalClient
from jupyter_uml.client.discover import Server
from jupyter_uml.client.openai_client import OpenAICompatibleClient
from jupyter_uml.client.stream import Answer, AsyncStream, Stream
from jupyter_uml.client.transport import Transport

__all__ = [
    "Answer",
    "AsyncStream",
    "AsyncUniversalClient",
    "OpenAICompatibleClient",
    "Server",
    "Stream",
    "Transport",
    "UniversalClient",
]
