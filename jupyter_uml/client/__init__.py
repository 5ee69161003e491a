"""The Python client. `UniversalClient` for notebooks and scripts, `AsyncUniversalClient` for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_uml.client.client import AsyncUniversalClient, UniversalClient
from jupyter_uml.client.discover import Server
from jupyter_uml.client.keys import ApiKey, NewKey, UsageTotal
from jupyter_uml.client.openai_client import OpenAICompatibleClient
from jupyter_uml.client.pulls import PullProgress
from jupyter_uml.client.stream import Answer, AsyncStream, Stream
from jupyter_uml.client.transport import Transport
from jupyter_uml.types import ModelProfile

if TYPE_CHECKING:
    from jupyter_uml.client.tools import call_tools, function_tool

__all__ = [
    "Answer",
    "ApiKey",
    "AsyncStream",
    "AsyncUniversalClient",
    "ModelProfile",
    "NewKey",
    "OpenAICompatibleClient",
    "PullProgress",
    "Server",
    "Stream",
    "Transport",
    "UniversalClient",
    "UsageTotal",
    "call_tools",
    "function_tool",
]


def __getattr__(name: str) -> Any:
    if name in ("call_tools", "function_tool"):  # they need pydantic, which takes a moment to import
        from jupyter_uml.client import tools

        return getattr(tools, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
