"""Every request field of OpenAI's and Anthropic's SDKs: honoured, accepted or refused by name; the table that says so.

`UML_WRITE=1` writes `notebooks/api-fields.md` anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from anthropic.types import message_count_tokens_params, message_create_params
from openai.types import completion_create_params, embedding_create_params
from openai.types.chat import completion_create_params as chat_params
from openai.types.responses import input_token_count_params, response_create_params
from pydantic import BaseModel

from jupyter_uml.protocol.endpoints import ENDPOINTS
from jupyter_uml.protocol.field_table import table, values
from jupyter_uml.protocol.native.inline_completion import InlineCompletion

PAGE = Path(__file__).parents[2] / "notebooks" / "api-fields.md"
HEAD = """\
# The fields of every request

Made by `tests/protocol/test_field_table.py` from the request types of the `openai` and `anthropic` packages, and held
to what the server does: a field is *honoured*, *accepted* because it asks nothing of a model, or *refused* by name.
Nothing is ignored in silence. Fields that those packages do not have, llama.cpp's and our own, are marked as ours.
"""
MESSAGES: list[Any] = [{"role": "user", "content": "hi"}]
# The SDK's types of each endpoint, and a body that is accepted.
KNOWN: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "v1/chat/completions": (
        (chat_params.CompletionCreateParamsBase, chat_params.CompletionCreateParamsStreaming),
        {"model": "demo", "messages": MESSAGES},
    ),
    "apply-template": (
        (chat_params.CompletionCreateParamsBase, chat_params.CompletionCreateParamsStreaming),
        {"model": "demo", "messages": MESSAGES},
    ),
    "v1/completions": (
        (
            completion_create_params.CompletionCreateParamsBase,
            completion_create_params.CompletionCreateParamsStreaming,
        ),
        {"model": "demo", "prompt": "hi"},
    ),
    "v1/embeddings": ((embedding_create_params.EmbeddingCreateParams,), {"model": "demo", "input": "hi"}),
    "v1/responses": (
        (response_create_params.ResponseCreateParamsBase, response_create_params.ResponseCreateParamsStreaming),
        {"model": "demo", "input": "hi"},
    ),
    "v1/responses/input_tokens": (
        (input_token_count_params.InputTokenCountParams,),
        {"model": "demo", "input": "hi"},
    ),
    "v1/messages": (
        (message_create_params.MessageCreateParamsBase, message_create_params.MessageCreateParamsStreaming),
        {"model": "demo", "messages": MESSAGES, "max_tokens": 1},
    ),
    "v1/messages/count_tokens": (
        (message_count_tokens_params.MessageCountTokensParams,),
        {"model": "demo", "messages": MESSAGES},
    ),
}


def names(types: tuple[type, ...]) -> list[str]:
    return list(dict.fromkeys(name for each in types for name in get_type_hints(each)))


def page() -> str:
    parts = [HEAD]
    for endpoint in ENDPOINTS:
        types, minimal = KNOWN.get(endpoint.path, ((), {}))
        parts += [f"\n## `POST {endpoint.path}`\n\n{endpoint.summary}\n", table(endpoint.body, minimal, names(types))]
    return "\n".join(parts)


def test_the_table_is_what_the_server_does() -> None:
    """Making it fails where a field that is not there would be passed over in silence."""
    made = page()
    if os.environ.get("UML_WRITE"):
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made, "UML_WRITE=1 writes the table anew"


def test_every_endpoint_of_an_sdk_is_compared_with_it() -> None:
    ours = {"v1/rerank", "v2/rerank", "tokenize", "detokenize", InlineCompletion.path}
    assert {endpoint.path for endpoint in ENDPOINTS} - ours == set(KNOWN)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"anyOf": [{"type": "number", "minimum": 0, "maximum": 2}, {"type": "null"}]}, "number from 0 to 2"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, "number above 0 to 1"),
        ({"type": "integer", "minimum": 1, "maximum": 1 << 24}, "integer from 1"),
        ({"type": "integer", "minimum": -(1 << 63), "exclusiveMaximum": 1 << 63}, "integer"),
        ({"enum": ["a", 1]}, '`"a"`, `1`'),
        ({"const": False}, "`false`"),
        (
            {"type": "array", "items": {"type": "string", "maxLength": 9}, "maxItems": 3},
            "up to 3 × string of up to 9 characters",
        ),
        ({"type": "array", "items": {"type": "string"}}, "list of string"),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 0}, "`[]`"),
        ({"discriminator": {"mapping": {"text": "#/A"}}, "oneOf": [{"$ref": "#/A"}]}, 'object of type `"text"`'),
        ({"$ref": "#/$defs/A"}, "object"),
    ],
)
def test_values_in_words(schema: dict[str, Any], words: str) -> None:
    assert values(schema) == words


def test_a_field_that_would_be_ignored_is_found_out() -> None:
    class Careless(BaseModel):
        model: str

    with pytest.raises(ValueError, match="seed is passed over"):
        table(Careless, {"model": "demo"}, ["seed"])
