"""Bodies for every operation that takes one, as they stand in the documentation: each does what its name says."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]

_HELLO = [{"role": "user", "content": "Hello! What can you do?"}]
_CITY: Body = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_WEATHER: Body = {"name": "get_weather", "description": "The weather in a city now.", "parameters": _CITY}
_ASK_WEATHER = "What is the weather in Paris?"
_CHAT: Body = {"model": "demo", "messages": _HELLO, "max_tokens": 64}
_RANKING: Body = {
    "model": "a reranking model",
    "query": "Where is the Eiffel Tower?",
    "documents": ["It stands in Paris.", "Bread is made of flour."],
}

# By the path; the first of each is what is shown at once.
EXAMPLES: dict[str, dict[str, Body]] = {
    "v1/chat/completions": {
        "A question": _CHAT,
        "Streamed": {**_CHAT, "stream": True, "stream_options": {"include_usage": True}},
        "With a tool": {
            "model": "demo",
            "messages": [{"role": "user", "content": _ASK_WEATHER}],
            "tools": [{"type": "function", "function": _WEATHER}],
            "max_tokens": 64,
        },
        "As JSON of a schema": {
            "model": "demo",
            "messages": [{"role": "user", "content": _ASK_WEATHER}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": _CITY}},
            "max_tokens": 64,
        },
    },
    "v1/completions": {
        "A beginning": {"model": "demo", "prompt": "The best thing about notebooks is", "max_tokens": 32},
        "Streamed": {"model": "demo", "prompt": "The best thing about notebooks is", "max_tokens": 32, "stream": True},
    },
    "v1/embeddings": {"Two texts": {"model": "demo", "input": ["A cat sleeps.", "A dog barks."]}},
    "v1/rerank": {"Two documents": _RANKING},
    "v2/rerank": {"Two documents": {**_RANKING, "return_documents": True}},
    "v1/responses": {
        "A question": {"model": "demo", "input": "Hello! What can you do?", "max_output_tokens": 64},
        "Streamed": {"model": "demo", "input": "Hello!", "max_output_tokens": 64, "stream": True},
    },
    "v1/responses/input_tokens": {"A question": {"model": "demo", "input": "Hello! What can you do?"}},
    "v1/messages": {
        "A question": {"model": "demo", "max_tokens": 64, "messages": _HELLO},
        "Streamed": {"model": "demo", "max_tokens": 64, "messages": _HELLO, "stream": True},
    },
    "v1/messages/count_tokens": {"A question": {"model": "demo", "messages": _HELLO}},
    "tokenize": {"A text": {"model": "demo", "content": "Hello there!", "with_pieces": True}},
    "detokenize": {"Some tokens": {"model": "demo", "tokens": [300, 301, 302]}},
    "apply-template": {"A question": {"model": "demo", "messages": _HELLO}},
    "inline_completion": {
        "The middle of a function": {
            "model": "demo",
            "prefix": "def area(radius):\n    return ",
            "suffix": "\n\nprint(area(2))\n",
            "language": "python",
        },
        "Streamed": {"model": "demo", "prefix": "# How to load a model\n%uml ", "stream": True},
    },
    "load_model": {
        "The demo model": {"model": "demo"},
        "Do not wait": {"model": "demo", "wait": False},
        "With settings": {"model": "demo", "n_ctx": 1024, "n_parallel": 4},
    },
    "estimate": {
        "As it would be loaded": {"model": "demo"},
        "With other settings": {"model": "demo", "n_ctx": 512, "n_parallel": 2},
    },
    "unload_model": {"The demo model": {"model": "demo"}},
    "bench_model": {"The demo model": {"model": "demo"}},
    "profiles/{name}": {
        "A character": {
            "model": "demo",
            "n_ctx": 512,
            "sampling": {"temperature": 0.2},
            "system_prompt": "You answer in one sentence.",
        },
        "Kept in memory": {"model": "demo", "keep_alive": -1, "pin": True},
    },
    "keys": {
        "For a program, as long as it is not revoked": {"name": "my program", "scopes": ["infer", "models:read"]},
        "For some models, with limits, for 30 days": {
            "name": "a course",
            "scopes": ["infer", "models:read"],
            "models": ["demo", "Qwen*"],
            "expires_in": "30d",
            "requests_per_minute": 60,
            "tokens_per_minute": 20000,
            "max_concurrent": 4,
        },
    },
    "keys/{id}": {"A week from now": {"expires_in": "7d"}, "Never": {"expires_in": None}},
    "pull": {"A quantisation of a repository": {"model": "bartowski/SmolLM2-135M-Instruct-GGUF:Q8_0", "wait": False}},
}
# Of variables in paths; ids are made by the server, so there is none for them.
VARIABLES: dict[str, str] = {"model": "demo", "name": "brief", "file": "docs.css"}
