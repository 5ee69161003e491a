"""What a `%%uml` cell adds to the engine's first token: a real kernel of a real server, and in turn with each cell the
same question straight at an engine, another worker of the same settings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from jupyter_uml.loader.handle import WorkerEngine
from jupyter_uml.types import GenerateRequest, Message, SamplingParams
from tests.bench.gate import bare_engine
from tests.bench.peers import MODEL, Ours
from tests.bench.summary import median, percentile
from tests.bench.workloads import CELL, SAMPLING, Figures, Scene

CELLS, FIRST_ONES = 40, 3  # of them the first ones do not count
PROMPT = 8  # tokens: the shorter the computation, the less of its own jitter
PATIENCE = 60.0  # seconds
SHOW = "display({'text/plain': 'shown'}, raw=True)"


async def cell(scene: Scene) -> Figures:
    """Seconds; differences are of medians. `jupyter`: from a request to execute to its output, of any cell."""
    assert isinstance(scene.peer, Ours)
    engine = await bare_engine(scene)
    try:
        cells, bare, shown = [], [], []
        with TemporaryDirectory(prefix="uml-cell-") as folder, _kernel(scene.peer, Path(folder)) as client:
            for _ in range(FIRST_ONES + CELLS):
                text = scene.text(PROMPT)
                cells.append(await asyncio.to_thread(_first_text, client, f"%%uml --max-tokens {CELL}\n{text}"))
                bare.append(await _first_token(scene, engine, text.strip()))
                shown.append(await asyncio.to_thread(_first_text, client, SHOW))
    finally:
        await engine.close()
    first_cell, cells, bare, shown = cells[0], cells[FIRST_ONES:], bare[FIRST_ONES:], shown[FIRST_ONES:]
    return {
        "added_median": median(cells) - median(bare),
        "added_p95": percentile(cells, 95) - percentile(bare, 95),
        "bare": median(bare),
        "jupyter": median(shown),
        "first_cell": first_cell,
    }


@contextmanager
def _kernel(peer: Ours, folder: Path) -> Iterator[BlockingKernelClient]:
    """A kernel that has the server's address and a key, as under Jupyter, and the magics."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=peer.environment(folder))
    client: BlockingKernelClient = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        assert client.execute_interactive("%load_ext jupyter_uml", timeout=PATIENCE)["content"]["status"] == "ok"
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _first_text(client: BlockingKernelClient, code: str) -> float:
    """Seconds from the request to execute until an output holds text. Returns when the cell is done."""
    began, first = time.perf_counter(), None
    request = client.execute(code, store_history=False)
    while True:
        message = client.get_iopub_msg(timeout=PATIENCE)
        if message["parent_header"].get("msg_id") != request:
            continue
        if first is None and _text(message):
            first = time.perf_counter() - began
        if message["msg_type"] == "error":
            raise RuntimeError("\n".join(message["content"]["traceback"]))
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            break
    client.get_shell_msg(timeout=PATIENCE)
    assert first is not None, "the cell showed no text"
    return first


def _text(message: dict[str, Any]) -> str:
    return str(message["content"].get("data", {}).get("text/plain", "")).strip()


async def _first_token(scene: Scene, engine: WorkerEngine, question: str) -> float:
    params = SamplingParams(max_tokens=CELL, **SAMPLING)
    request = GenerateRequest("bare", MODEL, messages=(Message("user", question),), params=params)
    began, first = time.perf_counter(), None
    async with aclosing(engine.submit(request)) as chunks:
        async for chunk in chunks:
            if chunk.text and first is None:
                first = time.perf_counter() - began
    assert first is not None
    return first
