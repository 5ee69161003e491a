"""langchain-openai: its chat model and its embeddings."""

from __future__ import annotations

from typing import Any

import openai
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
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


def model(name: str = MODEL, **options: Any) -> ChatOpenAI:
    arguments = {"temperature": 0, "max_retries": 0, **options}
    return ChatOpenAI(model=name, base_url=f"{uml_url()}/v1", api_key=uml_key(), **arguments)


def chat_and_stream() -> None:
    said = model().invoke(QUESTION)
    pieces = list(model(stream_usage=True).stream(QUESTION))
    assert len(pieces) > 2
    assert "".join(piece.text for piece in pieces) == said.text != ""
    whole = sum(pieces[1:], pieces[0])
    assert whole.usage_metadata["total_tokens"] == said.usage_metadata["total_tokens"] > 0


def tools_in_a_loop() -> None:
    functions = {function.__name__: tool(function) for function in (get_weather, set_light)}
    bound = model().bind_tools(list(functions.values()))
    for question, said in ((WEATHER, SAID), (LIGHT, LIGHT_SAID)):
        messages: list[Any] = [HumanMessage(question)]
        messages.append(bound.invoke(messages))
        (call,) = messages[-1].tool_calls
        messages.append(ToolMessage(functions[call["name"]].invoke(call["args"]), tool_call_id=call["id"]))
        pieces = list(bound.stream(messages))
        assert said in "".join(piece.text for piece in pieces)


def structured_output() -> None:
    for method in ("json_schema", "function_calling"):
        lamp = model().with_structured_output(Lamp, method=method).invoke(DESCRIBE)
        assert isinstance(lamp, Lamp), lamp


def embeddings() -> None:
    embedder = OpenAIEmbeddings(
        model=MODEL, base_url=f"{uml_url()}/v1", api_key=uml_key(), check_embedding_ctx_length=False
    )
    first, second = embedder.embed_documents([QUESTION, WEATHER])
    assert len(first) == len(second) == len(embedder.embed_query(QUESTION))
    assert first != second


def errors() -> None:
    with raises(openai.NotFoundError, "nope"):
        model("nope").invoke(QUESTION)


def retries() -> None:
    model(ENDLESS, max_tokens=1).invoke("Hi")
    with worker_killed(uml_url(), uml_key()):
        said = model(ENDLESS, max_tokens=1500, max_retries=3).invoke("Hi")
    assert said.usage_metadata["output_tokens"] == 1500


run("langchain-openai", chat_and_stream, tools_in_a_loop, structured_output, embeddings, errors, retries)
