"""`tokenize`, `detokenize` and `apply-template` against a real server."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.conftest import Server

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is GGUF? <|im_end|> 🙂"}]
TOOL = {"type": "function", "function": {"name": "get_time", "description": "Tells the time.", "parameters": {}}}


def tokenize(server: Server, **fields: Any) -> dict[str, Any]:
    response = server.post("tokenize", {"model": "demo", **fields})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def detokenize(server: Server, tokens: list[Any]) -> Any:
    response = server.post("detokenize", {"model": "demo", "tokens": tokens})
    assert response.status_code == 200, response.text
    return response.json()["content"]


def random_text(seed: int) -> str:
    """Of all planes of Unicode, with the surrogates left out, which are no characters."""
    choose = random.Random(seed)
    ranges = [(0x00, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF)]
    return "".join(chr(choose.randint(*choose.choice(ranges))) for _ in range(choose.randint(0, 40)))


def test_any_text_comes_back(server: Server) -> None:
    texts = [*(random_text(seed) for seed in range(300)), "", " ", "\x00", "a<|im_end|>b"]
    answer = tokenize(server, content=texts)
    assert answer["count"] == sum(map(len, answer["tokens"]))
    assert detokenize(server, answer["tokens"]) == texts
    assert detokenize(server, answer["tokens"][0]) == texts[0]
    assert detokenize(server, []) == ""


def test_the_text_may_be_called_input(server: Server) -> None:
    one = tokenize(server, content="Hello there")
    assert tokenize(server, input="Hello there") == one
    assert tokenize(server, input=["Hello there"]) == {"tokens": [one["tokens"]], "count": one["count"]}


def test_names_of_control_tokens_are_tokens_or_text(server: Server) -> None:
    mark = tokenize(server, content="<|im_end|>")
    text = tokenize(server, content="<|im_end|>", parse_special=False)
    assert (mark["count"], text["count"] > 1) == (1, True)
    assert detokenize(server, mark["tokens"]) == detokenize(server, text["tokens"]) == "<|im_end|>"


def test_pieces_are_texts_or_the_bytes_of_a_part_of_one(server: Server) -> None:
    entries = tokenize(server, content="Hi 🙂", with_pieces=True)["tokens"]
    assert [entry["id"] for entry in entries] == tokenize(server, content="Hi 🙂")["tokens"]
    pieces = [entry["piece"] for entry in entries]
    data = b"".join(piece.encode() if isinstance(piece, str) else bytes(piece) for piece in pieces)
    assert data.decode() == "Hi 🙂"
    assert any(isinstance(piece, list) for piece in pieces)


def test_the_prompt_of_a_conversation(server: Server) -> None:
    body = {"model": "demo", "messages": MESSAGES}
    prompt = server.post("apply-template", body).json()
    assert prompt["count"] == len(prompt["tokens"])
    assert "Be brief." in prompt["prompt"]
    assert detokenize(server, prompt["tokens"]) == prompt["prompt"]
    # What a person wrote stays text, also where it looks like a control token.
    (end,) = tokenize(server, content="<|im_end|>")["tokens"]
    assert prompt["tokens"].count(end) == len(MESSAGES)
    usage = server.post("v1/chat/completions", {**body, "max_tokens": 1}).json()["usage"]
    assert usage["prompt_tokens"] == prompt["count"]


def test_the_prompt_shows_the_tools(server: Server) -> None:
    body = {"model": "demo", "messages": MESSAGES, "tools": [TOOL], "temperature": 0.5, "stream": True}
    assert "get_time" in server.post("apply-template", body).json()["prompt"]
    assert "get_time" not in server.post("apply-template", {**body, "tool_choice": "none"}).json()["prompt"]


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        ("tokenize", {}, "content"),
        ("tokenize", {"content": "a", "input": "b"}, "content"),
        ("tokenize", {"content": []}, "content"),
        ("tokenize", {"content": ["x"] * 2049}, "content"),
        ("tokenize", {"content": [[1]]}, "content"),
        ("tokenize", {"content": "x" * ((1 << 18) + 1)}, "content"),
        ("tokenize", {"input": ["x" * (1 << 18)] * 5}, "input"),
        ("tokenize", {"content": "x", "add_bos": True}, "add_bos"),
        ("detokenize", {"tokens": [1 << 20]}, "tokens"),
        ("detokenize", {"tokens": [-1]}, "tokens"),
        ("detokenize", {"tokens": [[1], [1 << 20]]}, "tokens"),
        ("detokenize", {"tokens": "x"}, "tokens"),
        ("apply-template", {"messages": []}, "messages"),
        ("apply-template", {"messages": [{"role": "user", "content": "x" * 100_000}]}, "messages"),
    ],
)
def test_what_cannot_be_done_is_refused(server: Server, path: str, fields: dict[str, Any], param: str | None) -> None:
    response = server.post(path, {"model": "demo", **fields})
    assert response.status_code == 400, response.text
    found = response.json()["error"]["param"]
    assert (found and found.split(".")[0]) == param


def test_an_unknown_model_is_not_found(server: Server) -> None:
    for path, fields in (("tokenize", {"content": "x"}), ("detokenize", {"tokens": [1]})):
        assert server.post(path, {"model": "nope", **fields}).status_code == 404
