"""pydantic-ai: agents over chat completions and over responses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import openai
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from scenario import (
    DESCRIBE,
    ENDLESS,
    LIGHT,
    LIGHT_SAID,
    MODEL,
    QUESTION,
    SAID,
    WEATHER,
    Lamp,
    get_weather,
    raises,
    run,
    set_light,
    uml_key,
    uml_url,
    worker_killed,
)

MODELS = (OpenAIChatModel, OpenAIResponsesModel)


def model(cls: type[OpenAIChatModel | OpenAIResponsesModel] = OpenAIChatModel, name: str = MODEL, retries: int = 0):
    sdk = openai.AsyncOpenAI(base_url=f"{uml_url()}/v1", api_key=uml_key(), max_retries=retries)
    return cls(name, provider=OpenAIProvider(openai_client=sdk), settings={"temperature": 0})


async def chat_and_stream() -> None:
    for cls in MODELS:
        agent = Agent(model(cls))
        said = await agent.run(QUESTION)
        async with agent.run_stream(QUESTION) as stream:
            pieces = [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]
        assert len(pieces) > 1
        assert "".join(pieces) == said.output != ""


async def tools_in_a_loop() -> None:
    for cls in MODELS:
        agent = Agent(model(cls), tools=[get_weather, set_light])
        for question, said in ((WEATHER, SAID), (LIGHT, LIGHT_SAID)):
            assert said in (await agent.run(question)).output
            async with agent.run_stream(question) as stream:
                assert said in await stream.get_output()


async def structured_output() -> None:
    for cls in MODELS:
        for output in (Lamp, NativeOutput(Lamp)):
            answer = await Agent(model(cls), output_type=output).run(DESCRIBE)
            assert isinstance(answer.output, Lamp)


async def errors() -> None:
    with raises(ModelHTTPError, "404"):
        await Agent(model(name="nope")).run(QUESTION)


async def retries() -> None:
    agent = Agent(model(name=ENDLESS, retries=3))
    await agent.run("Hi", model_settings={"max_tokens": 1})
    with worker_killed(uml_url(), uml_key()):
        answer = await agent.run("Hi", model_settings={"max_tokens": 1500})
    assert answer.usage.output_tokens == 1500


def awaited(step: Callable[[], Coroutine[Any, Any, None]], loop: asyncio.Runner) -> Callable[[], None]:
    return wraps(step)(lambda: loop.run(step()))


with asyncio.Runner() as loop:  # one for all, as the HTTP connections are
    steps = (chat_and_stream, tools_in_a_loop, structured_output, errors, retries)
    run("pydantic-ai-slim", *(awaited(step, loop) for step in steps))
