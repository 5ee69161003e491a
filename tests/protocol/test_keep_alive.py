"""How long a model stays loaded is said in any request, and reaches the loader with everything that it asks for."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, cast

import orjson
import pytest

from jupyter_uml.errors import InvalidRequest, UmlError
from jupyter_uml.protocol.body import parse
from jupyter_uml.protocol.endpoint import Caller, Endpoint
from jupyter_uml.protocol.endpoints import ENDPOINTS
from jupyter_uml.service import Service
from jupyter_uml.types import Chunk, GenerateRequest, Hold, PromptRequest, SideRequest
from tests.server.hostile import BEYOND, BODIES

pytestmark = pytest.mark.anyio
KERNEL = "kernel"
CASES = [
    pytest.param(endpoint, body, id=f"{endpoint.path} {number}")
    for endpoint in ENDPOINTS
    for number, body in enumerate((BODIES | BEYOND)[endpoint.path][:1])
]


class Recorder:
    """Takes down what is asked for, and refuses it."""

    def __init__(self) -> None:
        self.asked: list[GenerateRequest | SideRequest[Any]] = []
        self.origin = self  # whose kept answers they are

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        self.asked.append(request)
        raise UmlError("refused")
        yield Chunk("")

    async def compute(self, request: SideRequest[Any]) -> Any:
        self.asked.append(request)
        raise UmlError("refused")


async def asked(endpoint: Endpoint[Any], body: dict[str, Any]) -> list[GenerateRequest | SideRequest[Any]]:
    recorder = Recorder()
    caller = Caller("me", "0" * 24, hold=Hold(kernel=KERNEL))
    with pytest.raises(UmlError, match="refused"):
        await endpoint.whole(cast(Service, recorder), parse(endpoint.body, orjson.dumps(body)), caller)
    return recorder.asked


@pytest.mark.parametrize(("endpoint", "body"), CASES)
@pytest.mark.parametrize(
    ("field", "seconds"),
    [({}, None), ({"keep_alive": None}, None), ({"keep_alive": "1h30m"}, 5400), ({"keep_alive": 0}, 0)],
    ids=str,
)
async def test_it_reaches_the_loader(
    endpoint: Endpoint[Any], body: dict[str, Any], field: dict[str, Any], seconds: float | None
) -> None:
    requests = await asked(endpoint, body | field)
    assert requests
    for request in requests:
        assert request.hold == Hold(seconds, KERNEL)
        if isinstance(request, PromptRequest):
            assert request.request.hold == Hold(seconds, KERNEL)


@pytest.mark.parametrize(("endpoint", "body"), CASES)
@pytest.mark.parametrize("value", [-2, "soon", 1e12, True, [], "9" * 40])
async def test_what_is_no_duration_is_refused(endpoint: Endpoint[Any], body: dict[str, Any], value: Any) -> None:
    with pytest.raises(InvalidRequest, match="keep_alive: must be seconds, or a text like") as caught:
        parse(endpoint.body, orjson.dumps(body | {"keep_alive": value}))
    assert caught.value.param == "keep_alive"
