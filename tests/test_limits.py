"""What a worker may take, and that it goes before Jupyter does."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from jupyter_uml import limits
from jupyter_uml.demo import demo_model_path
from jupyter_uml.errors import ModelLoadFailed
from jupyter_uml.loader.handle import WorkerEngine
from jupyter_uml.types import GenerateRequest, LoadSettings, ModelSpec, SamplingParams
from tests.conftest import endless_model

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what Linux offers")

GIB = 1 << 30


async def start(limit: int | None, settings: LoadSettings | None = None, path: Path | None = None) -> WorkerEngine:
    spec = ModelSpec("m", str(path or demo_model_path()), settings or LoadSettings(), memory_limit=limit)
    return await WorkerEngine.start(spec, lambda _: None, lambda _: None)


@pytest.mark.anyio
async def test_a_worker_is_the_first_to_be_killed_and_leaves_no_core() -> None:
    engine = await start(None)
    try:
        own = int(Path("/proc/self/oom_score_adj").read_text())
        assert int(Path(f"/proc/{engine.pid}/oom_score_adj").read_text()) == max(own, limits.OOM_SCORE)
        process = psutil.Process(engine.pid)
        assert process.rlimit(resource.RLIMIT_CORE) == (0, 0)
        assert process.rlimit(resource.RLIMIT_NOFILE)[0] <= 4096
        assert process.rlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY
    finally:
        await engine.close()


@pytest.mark.anyio
async def test_a_load_within_its_limit_is_not_hindered() -> None:
    """The limit is of what it is expected to take; stacks and such come on top."""
    engine = await start(64 << 20, LoadSettings(n_threads=2))
    try:
        assert psutil.Process(engine.pid).rlimit(resource.RLIMIT_DATA)[0] < 4 * GIB
        request = GenerateRequest("r", "demo", prompt=tuple([100] * 900), params=SamplingParams(max_tokens=20))
        chunks = [chunk async for chunk in engine.submit(request)]
        assert chunks[-1].finish_reason
    finally:
        await engine.close()


@pytest.mark.anyio
async def test_a_context_beyond_all_bounds_is_a_clean_error(tmp_path: Path) -> None:
    """Its KV cache takes 3.6 GB where the whole load was to take 64 MB."""
    path = tmp_path / "endless.gguf"
    path.write_bytes(endless_model())
    with pytest.raises(ModelLoadFailed, match="no context could be made") as caught:
        await start(64 << 20, LoadSettings(n_ctx=1 << 15, n_parallel=24), path)
    assert caught.value.retry_after is None


def test_an_allocation_without_end_ends_where_the_limit_is() -> None:
    code = (
        "from jupyter_uml import limits\n"
        "from jupyter_uml.types import ModelSpec\n"
        "import ctypes\n"
        "limits.limit_memory(ModelSpec('m', '/x', memory_limit=1 << 20))\n"
        "malloc = ctypes.CDLL(None).malloc\n"
        "malloc.restype, malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]\n"
        "got = 0\n"
        "while malloc(64 << 20):\n"
        "    got += 64\n"
        "try:\n"
        "    bytearray(1 << 30)\n"
        "except MemoryError:\n"
        "    print(got)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert 1900 < int(done.stdout) < 2300  # MiB


def test_weights_that_are_mapped_do_not_count(tmp_path: Path) -> None:
    with (tmp_path / "weights").open("wb") as file:
        file.truncate(8 * GIB)  # without a block on the disk
    code = (
        "import mmap, sys\n"
        "from jupyter_uml import limits\n"
        "from jupyter_uml.types import ModelSpec\n"
        "limits.limit_memory(ModelSpec('m', '/x', memory_limit=1 << 20))\n"
        "with open(sys.argv[1], 'rb') as file:\n"
        "    print(len(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "weights")]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip() == str(8 * GIB)


def test_a_model_on_a_gpu_is_not_limited() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    limits.limit_memory(ModelSpec("m", "/x", LoadSettings(n_gpu_layers=-1), memory_limit=1))
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
