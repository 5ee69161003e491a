"""Text completions: prompts of all kinds, echoes, the best of several; the `openai` package against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.conftest import Server

GREEDY: Any = {"model": "demo", "temperature": 0, "max_tokens": 5}
HOT: Any = {"temperature": 2.0, "top_p": 1.0, "extra_body": {"top_k": 0, "min_p": 0}}
TEXT = "how do I load a model"


@pytest.fixture
def sdk(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.token, max_retries=0) as client:
        yield client


def tokens_of(server: Server, text: str) -> list[int]:
    tokens: list[int] = server.post("tokenize", {"model": "demo", "content": text}).json()["tokens"]
    return tokens


def test_several_prompts_in_one_request(sdk: openai.OpenAI) -> None:
    prompts = [TEXT, "load a", "x"]
    alone = [sdk.completions.create(prompt=prompt, **GREEDY) for prompt in prompts]
    together = sdk.completions.create(prompt=prompts, n=2, **GREEDY)
    assert [choice.index for choice in together.choices] == list(range(6))
    assert [choice.text for choice in together.choices[::2]] == [answer.choices[0].text for answer in alone]
    usages = [answer.usage for answer in alone]
    assert together.usage is not None
    assert together.usage.prompt_tokens == sum(usage.prompt_tokens for usage in usages if usage)
    assert together.usage.completion_tokens == 2 * sum(usage.completion_tokens for usage in usages if usage)


def test_as_many_answers_as_there_can_be(sdk: openai.OpenAI) -> None:
    prompts = [f"load {number}" for number in range(64)]
    answer = sdk.completions.create(model="demo", prompt=prompts, n=2, temperature=0, max_tokens=1)
    assert [choice.index for choice in answer.choices] == list(range(128))
    assert all(one.text == two.text for one, two in zip(answer.choices[::2], answer.choices[1::2], strict=True))


def test_prompts_of_tokens(server: Server, sdk: openai.OpenAI) -> None:
    text = sdk.completions.create(prompt=TEXT, **GREEDY).choices[0].text
    tokens = tokens_of(server, TEXT)
    assert sdk.completions.create(prompt=tokens, **GREEDY).choices[0].text == text
    lists = sdk.completions.create(prompt=[tokens, tokens], **GREEDY)
    assert [choice.text for choice in lists.choices] == [text, text]


def test_a_stream_of_several_prompts(sdk: openai.OpenAI) -> None:
    whole = sdk.completions.create(prompt=[TEXT, "load a"], echo=True, **GREEDY)
    events = list(
        sdk.completions.create(
            prompt=[TEXT, "load a"], echo=True, stream=True, stream_options={"include_usage": True}, **GREEDY
        )
    )
    texts, reasons = ["", ""], [[], []]  # type: tuple[list[str], list[list[Any]]]
    for event in events[:-1]:
        (choice,) = event.choices
        texts[choice.index] += choice.text
        reasons[choice.index].append(choice.finish_reason)
    assert texts == [choice.text for choice in whole.choices]
    for choice, given in zip(whole.choices, reasons, strict=True):
        assert given == [None] * (len(given) - 1) + [choice.finish_reason]
    assert events[-1].usage is not None
    assert whole.usage is not None
    assert events[-1].usage.total_tokens == whole.usage.total_tokens


def test_an_echo_begins_with_the_prompt(server: Server, sdk: openai.OpenAI) -> None:
    text = sdk.completions.create(prompt=TEXT, **GREEDY).choices[0].text
    for prompt in (TEXT, tokens_of(server, TEXT)):
        assert sdk.completions.create(prompt=prompt, echo=True, **GREEDY).choices[0].text == TEXT + text


@pytest.mark.parametrize("stream", [False, True])
def test_an_echo_tells_how_likely_the_prompt_was(server: Server, sdk: openai.OpenAI, stream: bool) -> None:
    answer = sdk.completions.create(prompt=TEXT, echo=True, logprobs=2, stream=stream, **GREEDY)
    parts = [event.choices[0] for event in answer] if stream else answer.choices  # type: ignore[union-attr]
    text = "".join(part.text for part in parts)
    lists: dict[str, list[Any]] = {
        name: [value for part in parts if part.logprobs for value in getattr(part.logprobs, name)]
        for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset")
    }
    count = len(tokens_of(server, TEXT))
    assert {len(values) for values in lists.values()} == {count + 5}
    assert "".join(lists["tokens"]) == text
    assert lists["token_logprobs"][0] is None
    assert lists["top_logprobs"][0] is None
    assert all(value <= 0 for value in lists["token_logprobs"][1:])
    assert all(2 <= len(top) <= 3 for top in lists["top_logprobs"][1:])
    assert all(token in top for token, top in zip(lists["tokens"][1:], lists["top_logprobs"][1:], strict=True))
    assert lists["text_offset"] == [sum(map(len, lists["tokens"][:place])) for place in range(count + 5)]
    assert "".join(lists["tokens"][:count]) == TEXT


def test_only_the_prompt_is_scored(server: Server, sdk: openai.OpenAI) -> None:
    """What programs that measure perplexity ask for."""
    tokens = tokens_of(server, TEXT)
    scored = sdk.completions.create(model="demo", prompt=[tokens, tokens], echo=True, logprobs=0, max_tokens=0)
    assert [choice.text for choice in scored.choices] == [TEXT, TEXT]
    assert [choice.finish_reason for choice in scored.choices] == ["length", "length"]
    assert scored.usage is not None
    assert (scored.usage.prompt_tokens, scored.usage.completion_tokens) == (2 * len(tokens), 0)
    values = scored.choices[0].logprobs and scored.choices[0].logprobs.token_logprobs
    longer = sdk.completions.create(prompt=TEXT, echo=True, logprobs=0, **GREEDY).choices[0].logprobs
    assert values is not None
    assert longer is not None
    assert values[1:] == pytest.approx((longer.token_logprobs or [])[1 : len(tokens)], abs=0.05)
    sharp = sdk.completions.create(model="demo", prompt=TEXT, echo=True, logprobs=1, max_tokens=0).choices[0].logprobs
    assert sharp is not None
    likeliest = [max(top.values()) for top in (sharp.top_logprobs or [])[1:]]
    assert all(value <= best + 1e-4 for value, best in zip(values[1:], likeliest, strict=True))


@pytest.mark.parametrize("seed", [-1, (1 << 32) - 1, (1 << 32) - 2])
def test_every_seed_is_one(sdk: openai.OpenAI, seed: int) -> None:
    """llama.cpp takes one number to mean a new seed each time."""
    hot = HOT | {"extra_body": HOT["extra_body"] | {"deterministic": True}}
    arguments: Any = {"model": "endless", "prompt": TEXT, "max_tokens": 16, "seed": seed, "n": 2, **hot}
    first, again = (sdk.completions.create(**arguments).choices for _ in range(2))
    assert [choice.text for choice in first] == [choice.text for choice in again]
    assert first[0].text != first[1].text


def test_the_best_of_several_is_the_likeliest(sdk: openai.OpenAI) -> None:
    arguments: Any = {"model": "demo", "prompt": "x 7 q", "max_tokens": 8, "seed": 4, **HOT}
    all_ = sdk.completions.create(n=5, best_of=5, logprobs=0, **arguments).choices

    def mean(choice: Any) -> float:
        values = choice.logprobs.token_logprobs
        return float(sum(values) / len(values))

    best = sdk.completions.create(n=2, best_of=5, **arguments)
    assert [choice.text for choice in best.choices] == [c.text for c in sorted(all_, key=mean, reverse=True)[:2]]
    assert all(choice.logprobs is None for choice in best.choices)
    assert best.usage is not None
    assert best.usage.completion_tokens == sum(len(c.logprobs.tokens or []) for c in all_ if c.logprobs)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": [999_999]}, "prompt"),
        ({"prompt": [[1], [999_999]]}, "prompt"),
        ({"prompt": [999_999], "echo": True, "logprobs": 1}, "prompt"),
        ({"prompt": [-1]}, "prompt.0"),
        ({"prompt": TEXT, "suffix": "!"}, "suffix"),
        ({"prompt": ""}, "prompt"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_is_refused_by_name(server: Server, fields: Any, param: str, stream: bool) -> None:
    response = server.post("v1/completions", {"model": "demo", "stream": stream, **fields})
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"] == param
    assert server.model()["state"] == "loaded"
