"""What is measured: each workload is one coroutine that puts its load on a server and returns figures by name.

Prompts are made of random words, each of them one token, and new in every round: nothing is found in a cache but what
the workload itself put there. Within a round all servers get the same prompts. Answers are sampled as `SAMPLING` says,
the same everywhere; the models have no end of their own, so they end after `max_tokens`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import re
import tempfile
import time
from dataclasses import astuple, dataclass
from typing import Any
from unittest import mock

import psutil

import jupyter_uml
from jupyter_uml.client import AsyncUniversalClient
from jupyter_uml.kernel.mapping.result import Mapped
from tests.bench.load import Request, RequestError, Target, together
from tests.bench.peers import Ours, Peer
from tests.bench.process_figures import MemoryWatch, idle_since
from tests.bench.summary import mean, percentile

SAMPLING: dict[str, Any] = {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05}
CELL = 8  # tokens of a short answer: a class, a yes or no
ROW = 24  # tokens of a row of a table
Figures = dict[str, float]


@dataclass(frozen=True)
class Scale:
    """Lengths in tokens."""

    prompt: int = 200
    answer: int = 200
    prefix: int = 1500
    long: int = 4000
    edit: int = 600
    instructions: int = 1000  # before every row of a table
    rows: int = 500  # of it; no tokens

    def shorter(self) -> Scale:
        return Scale(*(length // 4 for length in astuple(self)))


class Scene:
    """One measurement: a server, and the words for it. The same `seed` gives the same prompts."""

    def __init__(self, peer: Peer, scale: Scale, seed: int) -> None:
        self.peer, self.scale, self._seed = peer, scale, seed
        self._rng = random.Random(seed)
        self._numbers = itertools.count(1)

    @property
    def target(self) -> Target:
        return self.peer.target

    @property
    def streams(self) -> int:
        return self.peer.setting.n_parallel

    def text(self, tokens: int) -> str:
        """Random words, each of them one token."""
        return "".join(self._rng.choices(self.peer.setting.model.words, k=tokens))

    def ask(self, prompt: str, max_tokens: int, **fields: Any) -> Request:
        body = {"model": self.target.model, "prompt": prompt, "max_tokens": max_tokens}
        body |= {"stream": True, "stream_options": {"include_usage": True}, **SAMPLING}
        return Request(self.target, {**body, "seed": self._seed * 100 + next(self._numbers), **fields})

    def choice(self, limit: int) -> int:
        return self._rng.randrange(limit)

    def words_at(self, start: int, count: int) -> list[str]:
        """Words in the order of the text that a reciting model knows."""
        words = self.peer.setting.model.words
        return [words[(start + i) % len(words)] for i in range(count)]


async def streams(scene: Scene) -> Figures:
    """As many requests as there are sequences, all at once."""
    scale = scene.scale
    replies = await together([scene.ask(scene.text(scale.prompt), scale.answer) for _ in range(scene.streams)])
    wall = max(reply.ended for reply in replies) - min(reply.sent for reply in replies)
    gaps = [gap for reply in replies for gap in reply.gaps]
    firsts = [reply.first for reply in replies]
    tokens = sum(reply.completion_tokens for reply in replies)
    return {
        "tokens_per_second": tokens / wall,
        "between_p95": percentile(gaps, 95),
        "between_max": max(gaps),
        "first_p95": percentile(firsts, 95),
        "decode_rate": sum(reply.decode_rate for reply in replies),
        "tokens": tokens,
    }


async def shared_prefix(scene: Scene) -> Figures:
    """A table whose rows are sent at the same time, behind the same long instructions; answers are short."""
    prefix = scene.text(scene.scale.prefix)
    replies = await together([scene.ask(prefix + scene.text(CELL), CELL) for _ in range(scene.streams)])
    firsts = [reply.first for reply in replies]
    wall = max(reply.ended for reply in replies) - min(reply.sent for reply in replies)
    return {"first_mean": mean(firsts), "first_p95": percentile(firsts, 95), "first_min": min(firsts), "wall": wall}


async def run_again(scene: Scene) -> Figures:
    """A cell behind a long context: new, again, and again after the engine's process was replaced."""
    prompt = scene.text(scene.scale.prefix)
    cold = (await scene.ask(prompt, CELL).answer()).first
    warm = (await scene.ask(prompt, CELL).answer()).first
    await asyncio.to_thread(scene.peer.restart)
    began = time.perf_counter()
    await asyncio.to_thread(scene.peer.resume)
    reply = await scene.ask(prompt, CELL).answer()
    restarted = reply.times[0] - began
    return {
        "cold": cold,
        "warm": warm,
        "restarted": restarted,
        "warm_share": warm / cold,
        "restarted_share": restarted / cold,
        "restarted_cached_tokens": reply.cached_tokens,
    }


async def intruder(scene: Scene) -> Figures:
    """Four answers are under way when a long prompt arrives: the longest time in which one of them stood still."""
    running = [scene.ask(scene.text(scene.scale.prompt), 10 * scene.scale.long) for _ in range(scene.streams - 1)]
    for request in running:
        await request.first_event()
    await asyncio.sleep(0.5)  # they run evenly
    long = scene.ask(scene.text(scene.scale.long), 2)
    await long.answer()
    arrived, begun = long.reply.sent, long.reply.times[0]
    replies = [await request.hang_up() for request in running]
    if broken := next((reply.error for reply in replies if reply.error), None):
        raise RequestError(broken)
    gaps = [longest_gap(reply.times, arrived, begun) for reply in replies]
    during = sum(arrived <= at <= begun for reply in replies for at in reply.times)
    return {"longest_gap": max(gaps), "first": long.reply.first, "decode_rate_during": during / (begun - arrived)}


async def json_text(scene: Scene) -> Figures:
    """A record of long free texts after a strict schema, cut at `max_tokens`.

    Inside a text nearly every word that random weights say is allowed, so the grammar hardly ever has to reject one:
    as it is with a model that knows JSON.
    """
    return await _json(scene, TEXTS, scene.scale.answer)


async def json_dense(scene: Scene) -> Figures:
    """A record of numbers, choices and short names, to its end: random weights say hardly a word that is allowed."""
    return await _json(scene, DENSE, 1000)


async def _json(scene: Scene, schema: dict[str, Any], max_tokens: int) -> Figures:
    replies = await together([_structured(scene, schema, max_tokens) for _ in range(scene.streams)])
    wall = max(reply.ended for reply in replies) - min(reply.sent for reply in replies)
    if wrong := next((reply.text for reply in replies if not follows(reply.text, schema["required"])), None):
        raise RequestError(f"an answer does not follow the schema: {wrong[:100]}")
    tokens = sum(reply.completion_tokens for reply in replies)
    characters = sum(len(reply.text) for reply in replies)
    return {"tokens_per_second": tokens / wall, "characters_per_second": characters / wall, "tokens": tokens}


async def edit(scene: Scene) -> Figures:
    """The prompt is an old version of a passage that the model knows: 10 words out of every 50 are other ones.

    Greedy, so the answer is the passage: 80 % of the prompt in the prompt's order, with the right words between.
    """
    count, start = scene.scale.edit, scene.choice(1 << 20)
    before, *passage = scene.words_at(start, count + 1)
    old = [word if i % 50 < 40 else scene.text(1) for i, word in enumerate(passage)]
    reply = await scene.ask("".join([*old, before]), count, temperature=0).answer()
    if reply.text != "".join(passage):
        raise RequestError("the answer is not the passage that the model knows")
    return {"tokens_per_second": reply.decode_rate, "with_prefill": reply.completion_tokens / reply.took}


async def stop(scene: Scene) -> Figures:
    """The connection is closed in the middle of a long prompt: seconds until the engine's process is at rest."""
    cold = (await scene.ask(scene.text(scene.scale.prefix), 1).answer()).first
    pause = 0.3 * cold * scene.scale.long / scene.scale.prefix
    request = scene.ask(scene.text(scene.scale.long), CELL)
    await asyncio.sleep(pause)
    stopped = time.perf_counter()
    if (await request.hang_up()).times:
        raise RequestError("the prompt was done before it could be stopped")
    figures = {"idle_after": await idle_since(scene.peer.engine().pid, stopped)}
    if isinstance(scene.peer, Ours) and scene.peer.busy():
        raise RequestError("the engine is at rest, but the server says that it is at work")
    request = scene.ask(scene.text(scene.scale.long), CELL)
    await asyncio.sleep(pause)
    stopped = time.perf_counter()
    await request.hang_up()
    reply = await scene.ask(scene.text(1), 1).answer()
    return {**figures, "next_first": reply.times[0] - stopped}


async def table(scene: Scene) -> Figures:
    """`jupyter_uml.map` over a table whose rows come behind the same instructions; answers are short texts."""
    return await _table(scene, None)


async def typed_table(scene: Scene) -> Figures:
    """The same, and each answer is a record: two choices, a number and a yes or no."""
    return await _table(scene, RECORD)


async def _table(scene: Scene, schema: dict[str, Any] | None) -> Figures:
    """Ours by `jupyter_uml.map`, and by a loop that asks for a tenth of the rows one by one; another server by an
    `openai` client with as many rows in flight as it has places."""
    instructions, texts = scene.text(scene.scale.instructions), [scene.text(ROW) for _ in range(scene.scale.rows)]
    began = time.perf_counter()
    if not isinstance(scene.peer, Ours):
        await _by_openai(scene, [f"{instructions}\n\n{text}" for text in texts], schema)
        return {"rows_per_second": len(texts) / (time.perf_counter() - began)}
    async with AsyncUniversalClient(scene.target.url, scene.target.headers["Authorization"].split()[1]) as client:
        result = await _by_map(client, scene, instructions + "\n\n{text}", texts, schema)
        rate = len(texts) / (time.perf_counter() - began)
        looped = await _by_loop(client, scene, texts[: max(1, len(texts) // 10)], schema)
    cached = result.stats.cached_tokens / result.stats.prompt_tokens
    return {"rows_per_second": rate, "times_a_loop": rate / looped, "loop": looped, "cached_share": cached}


async def _by_map(
    client: AsyncUniversalClient, scene: Scene, prompt: str, texts: list[str], schema: dict[str, Any] | None
) -> Mapped:
    limit = CELL if schema is None else None
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, JUPYTER_DATA_DIR=folder):
        asked = {"model": scene.target.model, "schema": schema, "max_tokens": limit, "client": client}
        result = await jupyter_uml.amap(texts, prompt, progress=False, **asked)
    if result.errors:
        raise RequestError(result.errors[0].message)
    return result


async def _by_loop(
    client: AsyncUniversalClient, scene: Scene, texts: list[str], schema: dict[str, Any] | None
) -> float:
    """Rows a second, behind instructions of its own."""
    instructions, began = scene.text(scene.scale.instructions), time.perf_counter()
    asked = {"model": scene.target.model, "schema": schema, "max_tokens": CELL if schema is None else None}
    for text in texts:
        await client.chat(f"{instructions}\n\n{text}", temperature=0, **asked)
    return len(texts) / (time.perf_counter() - began)


async def _by_openai(scene: Scene, prompts: list[str], schema: dict[str, Any] | None) -> None:
    from openai import AsyncOpenAI

    places = asyncio.Semaphore(scene.streams)
    form: dict[str, Any] = {"max_tokens": CELL} if schema is None else {"response_format": _response_format(schema)}

    async def ask(prompt: str) -> None:
        async with places:
            messages: Any = [{"role": "user", "content": prompt}]
            reply = await client.chat.completions.create(
                model=scene.target.model, messages=messages, temperature=0, **form
            )
        if schema is not None:
            json.loads(reply.choices[0].message.content)

    async with AsyncOpenAI(base_url=f"{scene.target.url}/v1", api_key="none", timeout=None) as client:
        await asyncio.gather(*(ask(prompt) for prompt in prompts))


async def memory(scene: Scene) -> Figures:
    """The most that all processes of a server took, from its start to the end of its answers, in bytes.

    llama.cpp clears its KV cache when it makes it, so every page counts, however short the prompts are.
    """
    peer, setting = scene.peer, scene.peer.setting
    with MemoryWatch(lambda: [process.pid for process in _alive(peer)], lambda: peer.engine().pid) as watch:
        await asyncio.to_thread(peer.start, setting)
        scale = scene.scale
        await together([scene.ask(scene.text(scale.prompt), scale.answer // 4) for _ in range(scene.streams)])
        await asyncio.sleep(0.3)  # one more look
    return {"peak": watch.peak, "engine_peak": watch.engine_peak}


def _alive(peer: Peer) -> list[psutil.Process]:
    try:
        return peer.processes()
    except (AssertionError, psutil.Error):  # not started yet, or just ended
        return []


def longest_gap(times: list[float], start: float, end: float) -> float:
    """The longest gap that touches the span from `start` to `end`."""
    return max(later - earlier for earlier, later in itertools.pairwise(times) if later > start and earlier < end)


def follows(text: str, keys: list[str]) -> bool:
    """Whether a JSON object, perhaps cut off in its midst, has these keys in this order."""
    try:
        return list(json.loads(text)) == keys
    except ValueError:
        found = [key for key in keys if re.search(rf'"{key}"\s*:', text)]
        return bool(found) and found == keys[: len(found)] and text.lstrip().startswith("{")


def _object(**properties: Any) -> dict[str, Any]:
    kind = {"type": "object", "additionalProperties": False}
    return {**kind, "properties": properties, "required": list(properties)}


def _list(items: dict[str, Any], count: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": count, "maxItems": count}


FREE = {"type": "string"}
NAME = {"type": "string", "minLength": 4, "maxLength": 16}
AGE = {"type": "integer", "minimum": 18, "maximum": 99}
TEXTS = _object(**dict.fromkeys("summary cause effect remedy history outlook risks costs names places".split(), FREE))
DENSE = _object(
    id={"type": "integer", "minimum": 1000, "maximum": 9999},
    status={"type": "string", "enum": ["open", "in progress", "waiting for review", "closed"]},
    tags=_list(NAME, 4),
    people=_list(_object(name=NAME, age=AGE, here={"type": "boolean"}), 3),
)


RECORD = _object(
    category={"type": "string", "enum": ["billing", "delivery", "product quality", "something else"]},
    sentiment={"type": "string", "enum": ["positive", "neutral", "negative"]},
    stars={"type": "integer", "minimum": 1, "maximum": 5},
    needs_answer={"type": "boolean"},
)


def _response_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "record", "strict": True, "schema": schema}}


def _structured(scene: Scene, schema: dict[str, Any], max_tokens: int) -> Request:
    body = {
        "model": scene.target.model,
        "messages": [{"role": "user", "content": scene.text(scene.scale.prompt)}],
        "max_tokens": max_tokens,
        "response_format": _response_format(schema),
        "stream": True,
        "stream_options": {"include_usage": True},
        "seed": scene.choice(1 << 30),
        **SAMPLING,
    }
    return Request(scene.target, body, "/v1/chat/completions")
