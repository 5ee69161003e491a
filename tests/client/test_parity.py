"""The clients, and the transports under them, have the same verbs: names, arguments, results, explanations."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_uml.client import AsyncUniversalClient, OpenAICompatibleClient, Transport, UniversalClient
from jupyter_uml.client.http_transport import HTTPTransport
from jupyter_uml.client.local_transport import LocalTransport
from jupyter_uml.client.openai_client import AsyncOpenAICompatibleClient
from jupyter_uml.client.socket_transport import SocketTransport
from jupyter_uml.client.stream import AsyncStream, Stream

ONLY_SYNC = {"aio", "background", "close", "timeout"}  # the asynchronous one's time-out is an attribute
ONLY_ASYNC = {"transport", "aclose"}
PROMISED = set(
    "chat complete stream generate embed rerank tokenize detokenize prompt load unload models model default_model "
    "estimate measure history health usage keys create_key expire_key revoke_key pull pulls cancel_pull profiles "
    "save_profile delete_profile generations generation attach stop watch running stop_running server".split()
)


def public(cls: type) -> dict[str, Any]:
    return {name: getattr(cls, name) for name in dir(cls) if not name.startswith("_")}


SYNC, ASYNC = public(UniversalClient), public(AsyncUniversalClient)


def as_synchronous(annotation: str) -> str:
    """What a synchronous caller gets where an asynchronous one gets this."""
    annotation = re.sub(r"Async(Generator\[(.*), None\])", r"Iterator[\2]", annotation)
    return re.sub(r"\bAsync(?=(Parsed)?Stream|OpenAI)", "", annotation)


def check_alike(sync: Callable[..., Any], aio: Callable[..., Any]) -> None:
    ours, theirs = inspect.signature(sync), inspect.signature(aio)
    assert list(ours.parameters.values()) == list(theirs.parameters.values())  # with defaults and annotations
    assert ours.return_annotation == as_synchronous(theirs.return_annotation)
    assert sync.__doc__ == aio.__doc__
    assert sync.__doc__, f"{sync.__qualname__} is not explained"


def test_both_clients_have_the_same_methods() -> None:
    assert SYNC.keys() - ONLY_SYNC == ASYNC.keys() - ONLY_ASYNC - {"timeout"} == PROMISED


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_a_method_is_the_same_for_both(name: str) -> None:
    check_alike(SYNC[name], ASYNC[name])
    assert inspect.iscoroutinefunction(ASYNC[name]) or "Async" in inspect.signature(ASYNC[name]).return_annotation


@pytest.mark.parametrize("name", ["chat", "complete", "stream"])
def test_overloads_are_the_same_for_both(name: str) -> None:
    from typing import get_overloads

    sync, aio = get_overloads(SYNC[name]), get_overloads(ASYNC[name])
    assert len(sync) == len(aio) == 3
    for ours, theirs in zip(map(inspect.signature, sync), map(inspect.signature, aio), strict=True):
        assert list(ours.parameters.values()) == list(theirs.parameters.values())
        assert ours.return_annotation == as_synchronous(theirs.return_annotation)


def test_the_clients_are_made_in_the_same_way() -> None:
    assert inspect.signature(UniversalClient) == inspect.signature(AsyncUniversalClient)
    ours, theirs = inspect.signature(OpenAICompatibleClient), inspect.signature(AsyncOpenAICompatibleClient)
    assert ours.parameters == theirs.parameters
    assert ours.return_annotation == as_synchronous(theirs.return_annotation)


def test_both_streams_tell_the_same() -> None:
    assert public(Stream).keys() - {"close"} == public(AsyncStream).keys() - {"aclose"} | {"model"}  # an attribute


def test_no_result_is_a_bare_dict() -> None:
    loose = [
        name for name, method in ASYNC.items() if "dict" in str(getattr(method, "__annotations__", {}).get("return"))
    ]
    assert not loose


@pytest.mark.parametrize("transport", [HTTPTransport, SocketTransport, LocalTransport])
def test_a_transport_has_every_verb(transport: type) -> None:
    """mypy holds the types together; this holds names, order and defaults."""
    for name, verb in public(Transport).items():
        own = getattr(transport, name)
        assert inspect.signature(own) == inspect.signature(verb), name
        assert inspect.iscoroutinefunction(own) == inspect.iscoroutinefunction(verb), name
