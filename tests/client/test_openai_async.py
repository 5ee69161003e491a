"""`openai.AsyncOpenAI` with a server and without one, on an event loop of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from jupyter_uml.client import AsyncOpenAICompatibleClient, openai_client
from jupyter_uml.client.openai_client import OpenAIMissing
from tests.client.conftest import Place
from tests.conftest import wait_until

pytestmark = pytest.mark.anyio

QUESTION: Any = [{"role": "user", "content": "How do I load a model?"}]
GREEDY: dict[str, Any] = {"model": "demo", "messages": QUESTION, "temperature": 0, "max_tokens": 12}
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Verdict(BaseModel):
    ok: bool


@pytest.fixture
def sdk(place: Place) -> openai.AsyncOpenAI:
    """With the same models; closed by the test, on its own loop."""
    server = place.client.server()
    return AsyncOpenAICompatibleClient(server and server.url, server and server.api_key, max_retries=0)


async def test_what_the_synchronous_one_can(place: Place, sdk: openai.AsyncOpenAI) -> None:
    async with sdk:
        assert {"demo", "endless"} <= {model.id async for model in sdk.models.list()}
        whole, *others = await asyncio.gather(*(sdk.chat.completions.create(**GREEDY) for _ in range(4)))
        text = whole.choices[0].message.content
        assert {other.choices[0].message.content for other in others} == {text}
        assert text == place.sdk.chat.completions.create(**GREEDY).choices[0].message.content
        stream = await sdk.chat.completions.create(**GREEDY, stream=True)
        assert "".join([part.choices[0].delta.content or "" async for part in stream]) == text
        parsed = await sdk.chat.completions.parse(model="demo", messages=QUESTION, response_format=Verdict)
        assert isinstance(parsed.choices[0].message.parsed, Verdict)
        called = await sdk.chat.completions.create(
            **GREEDY | {"max_tokens": 60}, tools=[WEATHER], tool_choice="required"
        )
        assert [call.type for call in called.choices[0].message.tool_calls or ()] == ["function"]
        vectors = await sdk.embeddings.create(model="demo", input=["a", "b"])
        assert len(vectors.data) == 2
        with pytest.raises(openai.NotFoundError) as caught:
            await sdk.chat.completions.create(**GREEDY | {"model": "no-such-model"}, stream=True)
        assert caught.value.param == "model"


async def test_leaving_and_time_outs_stop_the_engine(place: Place, sdk: openai.AsyncOpenAI) -> None:
    async with sdk:
        stream = await sdk.chat.completions.create(model="endless", messages=QUESTION, stream=True)
        async for _ in stream:
            break
        assert place.client.model("endless").active == 1
        await stream.close()
        wait_until(lambda: place.client.model("endless").active == 0, 1)
        with pytest.raises(openai.APITimeoutError):
            await sdk.with_options(timeout=0.4).chat.completions.create(model="endless", messages=QUESTION)
        wait_until(lambda: place.client.model("endless").active == 0, 2)
        task = asyncio.create_task(sdk.chat.completions.create(model="endless", messages=QUESTION))
        await asyncio.to_thread(wait_until, lambda: place.client.model("endless").active == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        wait_until(lambda: place.client.model("endless").active == 0, 1)


async def test_a_kernel_says_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_client, "own_kernel_id", lambda: "1234-abcd")
    async with AsyncOpenAICompatibleClient("http://127.0.0.1:1/uml/v1/", max_retries=7) as sdk:
        assert (str(sdk.base_url), sdk.max_retries) == ("http://127.0.0.1:1/uml/v1/", 7)
        assert sdk.default_headers["X-Jupyter-Kernel"] == "1234-abcd"


def test_without_the_package_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(OpenAIMissing, match="pip install openai"):
        AsyncOpenAICompatibleClient("http://127.0.0.1:1/uml")
