"""The Python client. `UniversalClient` for notebooks and scripts, `AsyncUniversalClient` for asyncio.

Whatever goes wrong is a `UmlError`; these are the ones that programs tell apart, and `jupyter_uml.errors` has all:

    UmlError                      all of them; `retry_after` says when the same call may succeed
    ├── InvalidRequest            an argument is wrong, `param` names it
    │   ├── ContextLengthExceeded the prompt does not fit the model's context
    │   └── PayloadTooLarge
    ├── AuthenticationFailed      no key, or one that is not accepted
    ├── PermissionDenied          the key is good, but does not allow this
    ├── RateLimited               a limit of the key is used up
    ├── ModelNotFound, ModelLoadFailed, ModelBusy, ModelRestarting, InsufficientMemory
    ├── Overloaded                too many wait
    ├── WorkerDied                the model's process ended in the middle of the answer
    ├── GenerationAborted         somebody unloaded the model, or the server is stopping
    ├── GenerationStopped         somebody stopped the answer by `stop_running`, or in JupyterLab
    ├── ConnectionFailed          no server answered, or not as one of ours
    ├── StreamInterrupted         the connection was lost in the middle of an answer
    ├── TimedOut                  `timeout` was over; it is a `TimeoutError`, too
    └── UnparsableAnswer          an answer has not the form that `schema` asked for: it was cut
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_uml.client.client import AsyncUniversalClient, UniversalClient
from jupyter_uml.client.discover import Server
from jupyter_uml.client.health import Health
from jupyter_uml.client.keys import ApiKey, NewKey, UsageTotal
from jupyter_uml.client.openai_client import AsyncOpenAICompatibleClient, OpenAICompatibleClient
from jupyter_uml.client.parsed import AsyncParsedStream, ParsedAnswer, ParsedStream
from jupyter_uml.client.pulls import PullProgress
from jupyter_uml.client.retry import RetryPolicy
from jupyter_uml.client.side_results import Embeddings, Prompt, Ranked, Ranking, Tokens
from jupyter_uml.client.stream import Answer, AsyncStream, Stream
from jupyter_uml.client.transport import Transport
from jupyter_uml.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    ContextLengthExceeded,
    GenerationAborted,
    GenerationStopped,
    InsufficientMemory,
    InvalidRequest,
    ModelBusy,
    ModelLoadFailed,
    ModelNotFound,
    ModelRestarting,
    Overloaded,
    PayloadTooLarge,
    PermissionDenied,
    RateLimited,
    StreamInterrupted,
    TimedOut,
    UmlError,
    UnparsableAnswer,
    WorkerDied,
)
from jupyter_uml.types import ModelProfile

if TYPE_CHECKING:
    from jupyter_uml.client.tools import call_tools, function_tool

__all__ = [
    "Answer",
    "ApiKey",
    "AsyncOpenAICompatibleClient",
    "AsyncParsedStream",
    "AsyncStream",
    "AsyncUniversalClient",
    "AuthenticationFailed",
    "ConnectionFailed",
    "ContextLengthExceeded",
    "Embeddings",
    "GenerationAborted",
    "GenerationStopped",
    "Health",
    "InsufficientMemory",
    "InvalidRequest",
    "ModelBusy",
    "ModelLoadFailed",
    "ModelNotFound",
    "ModelProfile",
    "ModelRestarting",
    "NewKey",
    "OpenAICompatibleClient",
    "Overloaded",
    "ParsedAnswer",
    "ParsedStream",
    "PayloadTooLarge",
    "PermissionDenied",
    "Prompt",
    "PullProgress",
    "Ranked",
    "Ranking",
    "RateLimited",
    "RetryPolicy",
    "Server",
    "Stream",
    "StreamInterrupted",
    "TimedOut",
    "Tokens",
    "Transport",
    "UmlError",
    "UniversalClient",
    "UnparsableAnswer",
    "UsageTotal",
    "WorkerDied",
    "call_tools",
    "function_tool",
]


def __getattr__(name: str) -> Any:
    if name in ("call_tools", "function_tool"):  # they need pydantic, which takes a moment to import
        from jupyter_uml.client import tools

        return getattr(tools, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
