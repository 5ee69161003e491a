"""litellm, over OpenAI's protocol and over Anthropic's."""

from __future__ import annotations

import json
import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # fetch nothing

import litellm
from scenario import (
    DESCRIBE,
    ENDLESS,
    MODEL,
    QUESTION,
    SAID,
    WEATHER,
    Lamp,
    call_tool,
    openai_tools,
    raises,
    run,
    uml_key,
    uml_url,
    worker_killed,
)

OPENAI: Any = {"model": f"openai/{MODEL}", "api_base": f"{uml_url()}/v1", "api_key": uml_key()}
ANTHROPIC: Any = {"model": f"anthropic/{MODEL}", "api_base": uml_url(), "api_key": uml_key(), "max_tokens": 200}
BOTH = (OPENAI, ANTHROPIC)


def ask(content: str) -> list[Any]:
    return [{"role": "user", "content": content}]


def chat_and_stream() -> None:
    for where in BOTH:
        said = litellm.completion(messages=ask(QUESTION), temperature=0, **where).choices[0].message.content
        stream = litellm.completion(messages=ask(QUESTION), temperature=0, stream=True, **where)
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
        assert len(pieces) > 2
        assert "".join(pieces) == said != ""


def tools_in_a_loop() -> None:
    for where in BOTH:
        for streamed in (False, True):
            messages = ask(WEATHER)
            while True:
                arguments = {**where, "messages": messages, "tools": openai_tools(strict=False), "temperature": 0}
                answer = litellm.completion(stream=streamed, **arguments)
                if streamed:
                    answer = litellm.stream_chunk_builder(list(answer))
                message = answer.choices[0].message
                messages.append(message)
                if not message.tool_calls:
                    break
                (call,) = message.tool_calls
                result = call_tool(call.function.name, call.function.arguments)
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
            assert message.content.startswith(SAID), message
            assert len(messages) == 4


def structured_output() -> None:
    for where in BOTH:
        answer = litellm.completion(messages=ask(DESCRIBE), response_format=Lamp, temperature=0, **where)
        Lamp.model_validate(json.loads(answer.choices[0].message.content))


def embeddings() -> None:
    rows = litellm.embedding(input=[QUESTION, WEATHER], **OPENAI).data
    assert rows[0]["embedding"] != rows[1]["embedding"]


def errors() -> None:
    for where in BOTH:
        provider = where["model"].split("/")[0]
        with raises(litellm.NotFoundError, "nope"):
            litellm.completion(messages=ask(QUESTION), **{**where, "model": f"{provider}/nope"})


def retries() -> None:
    endless = {**OPENAI, "model": f"openai/{ENDLESS}"}
    litellm.completion(messages=ask("Hi"), max_tokens=1, **endless)
    with worker_killed(uml_url(), uml_key()):
        answer = litellm.completion(messages=ask("Hi"), max_tokens=1500, num_retries=3, **endless)
    assert answer.usage.completion_tokens == 1500


run("litellm", chat_and_stream, tools_in_a_loop, structured_output, embeddings, errors, retries)
