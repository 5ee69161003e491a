"""What the way through HTTP and the gate adds to an answer: requests in turn over that way and straight at an engine,
another worker of the same settings."""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass, replace

from jupyter_uml.loader.handle import WorkerEngine
from jupyter_uml.types import GenerateRequest, LoadSettings, ModelSpec, SamplingParams
from tests.bench.load import Request
from tests.bench.peers import MODEL, Ours
from tests.bench.summary import median, percentile
from tests.bench.workloads import CELL, SAMPLING, Figures, Scene

REQUESTS, FIRST_ONES = 200, 20  # of each kind; the first ones do not count
PROMPT = 8  # tokens: the shorter the computation, the less of its own jitter


@dataclass(frozen=True)
class Times:
    """Seconds from the request."""

    first: float
    whole: float


async def gate(scene: Scene) -> Figures:
    """One request at a time. Differences of percentiles, in seconds."""
    assert isinstance(scene.peer, Ours)
    headers = {"Authorization": f"Bearer {scene.peer.key_with_limits()}"}
    engine = await bare_engine(scene)
    try:
        through, bare = [], []
        for _ in range(FIRST_ONES + REQUESTS):
            through.append(await _through(scene, headers))
            bare.append(await _bare(scene, engine))
    finally:
        await engine.close()
    return _added(through[FIRST_ONES:], bare[FIRST_ONES:])


def _added(through: list[Times], bare: list[Times]) -> Figures:
    firsts, bare_firsts = [times.first for times in through], [times.first for times in bare]
    wholes, bare_wholes = [times.whole for times in through], [times.whole for times in bare]
    return {
        "added_first_p95": percentile(firsts, 95) - percentile(bare_firsts, 95),
        "added_whole_p95": percentile(wholes, 95) - percentile(bare_wholes, 95),
        "added_first_median": median(firsts) - median(bare_firsts),
        "bare_first_p95": percentile(bare_firsts, 95),
    }


async def bare_engine(scene: Scene) -> WorkerEngine:
    """As the scene's server has it, with nothing around it. Close it."""
    setting = scene.peer.setting
    settings = LoadSettings(
        n_ctx=setting.n_ctx, n_parallel=setting.n_parallel, n_threads=setting.n_threads, kv_type="f16"
    )
    return await WorkerEngine.start(ModelSpec(MODEL, str(setting.model.path), settings), lambda _: None, lambda _: None)


async def _through(scene: Scene, headers: dict[str, str]) -> Times:
    body = {"model": MODEL, "prompt": scene.text(PROMPT), "max_tokens": CELL, "stream": True, **SAMPLING}
    reply = await Request(replace(scene.target, headers=headers), body).answer()
    return Times(reply.first, reply.took)


async def _bare(scene: Scene, engine: WorkerEngine) -> Times:
    params = SamplingParams(max_tokens=CELL, **SAMPLING)
    request = GenerateRequest("bare", MODEL, prompt=scene.text(PROMPT), params=params)
    began, first = time.perf_counter(), None
    async with aclosing(engine.submit(request)) as chunks:
        async for chunk in chunks:
            if chunk.text and first is None:
                first = time.perf_counter() - began
    assert first is not None
    return Times(first, time.perf_counter() - began)
