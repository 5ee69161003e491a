"""Embeddings, scores and adapters through a worker process, beside answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.errors import ContextLengthExceeded, InvalidRequest
from jupyter_uml.loader.handle import WorkerEngine
from jupyter_uml.types import (
    EmbedRequest,
    GenerateRequest,
    LoadSettings,
    LoraFile,
    Message,
    ModelSpec,
    PromptRequest,
    RankRequest,
    Rows,
    SamplingParams,
    ScoreRequest,
    TokenizeRequest,
)
from tests.engine import tiny_models

pytestmark = pytest.mark.anyio
TEXTS = EmbedRequest("e", "demo", ("hello there", "b", (1, 2, 3)))


async def start(*lora: LoraFile, path: Path | None = None) -> WorkerEngine:
    spec = ModelSpec("demo", str(path or demo_model_path()), LoadSettings(n_threads=1), lora=lora)
    return await WorkerEngine.start(spec, lambda _: None, lambda _: None)


async def tokens_of_an_answer(engine: WorkerEngine) -> int:
    params = SamplingParams(max_tokens=40, ignore_eos=True)
    request = GenerateRequest("g", "demo", messages=(Message("user", "Hello"),), params=params)
    return sum([chunk.tokens async for chunk in engine.submit(request)])


def table(rows: Rows) -> list[np.ndarray[tuple[int], np.dtype[np.float32]]]:
    return [np.frombuffer(row, np.float32) for row in rows.values]


async def test_embeddings_and_scores_beside_an_answer() -> None:
    engine = await start()
    embedded, scored, tokens = await asyncio.gather(
        engine.compute(TEXTS),
        engine.compute(ScoreRequest("s", "demo", ("who are you?",))),
        tokens_of_an_answer(engine),
    )
    assert (embedded.request_id, scored.request_id, tokens) == ("e", "s", 40)
    assert [row.shape for row in table(embedded)] == [(192,)] * 3
    np.testing.assert_allclose([np.linalg.norm(row) for row in table(embedded)], 1, rtol=1e-5)
    assert len(scored.logprobs[0]) == scored.prompt_tokens - 1
    assert all(each.chosen.logprob < 0 and each.top == () for each in scored.logprobs[0])
    await engine.close()


async def test_a_prompt_is_told_before_it_is_answered() -> None:
    engine = await start()
    request = GenerateRequest("g", "demo", messages=(Message("user", "Hello"),), params=SamplingParams(max_tokens=1))
    prompt = await engine.compute(PromptRequest("p", "demo", request))
    read = await engine.compute(TokenizeRequest("t", "demo", (prompt.text, prompt.tokens)))
    assert (prompt.request_id, read.request_id) == ("p", "t")
    assert read.tokens == (prompt.tokens, prompt.tokens)
    assert b"".join(read.pieces[1]).decode() == prompt.text
    assert "Hello" in prompt.text
    last = [chunk async for chunk in engine.submit(request)][-1]
    assert last.usage is not None
    assert last.usage.prompt_tokens == len(prompt.tokens)
    await engine.close()


async def test_a_model_made_for_embeddings_does_not_write(tmp_path: Path) -> None:
    engine = await start(path=tiny_models.bert(tmp_path / "bert"))
    assert engine.info.pooling == "mean"
    for refused in (tokens_of_an_answer(engine), engine.compute(ScoreRequest("s", "demo", ("x",)))):
        with pytest.raises(InvalidRequest, match="v1/embeddings"):
            await refused
    assert [row.shape for row in table(await engine.compute(TEXTS))] == [(64,)] * 3
    await engine.close()


async def test_a_bad_request_costs_its_sender_only() -> None:
    engine = await start()
    with pytest.raises(InvalidRequest, match="classifier"):
        await engine.compute(RankRequest("r", "demo", "q", ("d",)))
    with pytest.raises(ContextLengthExceeded):
        await engine.compute(EmbedRequest("e", "demo", ((1,) * 2000,)))
    assert len((await engine.compute(TEXTS)).values) == 3
    await engine.close()


async def test_a_cancelled_task_gives_its_work_up() -> None:
    engine = await start()
    long = asyncio.create_task(engine.compute(EmbedRequest("e", "demo", ((1,) * 1000,) * 200)))
    await asyncio.sleep(0)  # it is sent
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert engine.active == 0
    assert len((await engine.compute(TEXTS)).values) == 3
    await engine.close()


async def test_an_adapter_holds_for_all_that_the_model_computes(tmp_path: Path) -> None:
    path = tiny_models.lora(tmp_path / "adapter", scale=0.05)
    plain, adapted = await start(), await start(LoraFile("adapter", str(path)))
    one, other = table(await plain.compute(TEXTS)), table(await adapted.compute(TEXTS))
    assert max(abs(a - b).max() for a, b in zip(one, other, strict=True)) > 1e-3
    question = ScoreRequest("s", "demo", ("who are you?",))
    assert (await plain.compute(question)).logprobs != (await adapted.compute(question)).logprobs
    await plain.close()
    await adapted.close()
