"""Stop means stop: the interrupt button ends what the engine does, wherever it is, and the cell keeps what had come."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.bench.model_maker import BenchModel, bench_model
from tests.bench.process_figures import cpu_seconds, idle_since
from tests.conftest import Server, endless_model, is_worker, wait_until
from tests.kernel.conftest import Kernel, Shown, _environment
from tests.reliability.conftest import LONG

IDLE = 0.25 if LONG else 1.0  # seconds; other tests may run beside the short form
PREFILL = 4000  # tokens
AT_WORK = 0.3  # seconds of its processor time, after which a worker is in the midst of it
SETTINGS = {"slow": "--n-ctx 8192 --n-threads 1", "endless": "--n-threads 1", "demo": "--n-threads 1"}
TERMINAL = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
shell.history_manager.enabled = False
shell.run_line_magic("load_ext", "jupyter_uml")
shell.run_cell("%%uml endless\\nGo on and on")
print("alive", flush=True)
input()
"""


@dataclass
class Place:
    """A kernel, and where its models run: in a Jupyter server, or in child processes of its own."""

    kernel: Kernel
    server: Server | None

    def workers(self) -> list[psutil.Process]:
        if self.server is not None:
            return self.server.workers()
        return [child for child in psutil.Process(self.kernel.pid).children(recursive=True) if is_worker(child)]

    def unload_all(self) -> None:
        for model in SETTINGS:
            self.kernel.run(f"%uml unload {model}")

    def load(self, model: str) -> psutil.Process:
        """Its worker; no other one is there."""
        assert self.kernel.run(f"%uml load {model} {SETTINGS[model]}").status == "ok"
        (worker,) = self.workers()
        return worker

    def interrupted(self, code: str, when: Callable[[], object]) -> tuple[Shown, float]:
        """What the cell shows, and the seconds from the interrupt until the engine is at rest."""

        def interrupt() -> float:
            wait_until(when)
            (worker,) = self.workers()
            began = time.perf_counter()
            self.kernel.interrupt()
            return asyncio.run(idle_since(worker.pid, began))

        with ThreadPoolExecutor(1) as pool:
            idle = pool.submit(interrupt)
            return self.kernel.run(code), idle.result()


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> BenchModel:
    """It takes seconds for a prompt of some thousand tokens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UML_BENCH_CACHE", str(tmp_path_factory.mktemp("slow")))
        patch.delenv("UML_BENCH_VOCAB", raising=False)
        return bench_model(0.02, "F16")


@pytest.fixture(scope="module")
def long_prompt(slow_model: BenchModel) -> str:
    return "".join(random.Random(7).choices(slow_model.words, k=PREFILL))


@pytest.fixture(params=["server", "no server"], scope="module")
def shared_place(
    request: pytest.FixtureRequest, slow_model: BenchModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Both have the models `endless` and `slow`."""
    runtime = tmp_path_factory.mktemp("kernel")
    server: Server | None = None
    models = runtime / "data" / "uml" / "models"
    if request.param == "server":
        server = request.getfixturevalue("shared_server")
        models = server.models
    models.mkdir(parents=True, exist_ok=True)
    (models / "endless.gguf").write_bytes(endless_model())
    shutil.copyfile(slow_model.path, models / "slow.gguf")
    kernel = Kernel(server and server.url, server.token if server else "", str(runtime))
    yield Place(kernel, server)
    kernel.close()
    (models / "slow.gguf").unlink()


@pytest.fixture
def place(shared_place: Place) -> Iterator[Place]:
    """No model is loaded before and after."""
    shared_place.unload_all()
    yield shared_place
    shared_place.unload_all()


def busy(worker: psutil.Process) -> Callable[[], bool]:
    """Whether it has computed for a while since now."""
    before = cpu_seconds(worker.pid)
    return lambda: cpu_seconds(worker.pid) > before + AT_WORK


def assert_stopped(place: Place, shown: Shown) -> None:
    """Also the engine: it does nothing more."""
    assert shown.status == "error"  # cells that were queued after it do not run
    assert "Traceback" not in "".join(shown.errors)
    assert "Stopped" in "".join(shown.errors)
    (worker,) = place.workers()
    before = cpu_seconds(worker.pid)
    assert place.kernel.run("6 * 7").status == "ok"
    assert cpu_seconds(worker.pid) < before + AT_WORK / 3


def test_in_an_answer(place: Place) -> None:
    worker = place.load("endless")
    shown, idle = place.interrupted("%%uml endless\nGo on and on", busy(worker))
    assert_stopped(place, shown)
    assert shown.text
    assert "stopped" in shown.html
    assert idle < IDLE


def test_in_a_long_prompt(place: Place, long_prompt: str) -> None:
    worker = place.load("slow")
    shown, idle = place.interrupted(f"%%uml slow\n{long_prompt}", busy(worker))
    assert_stopped(place, shown)
    assert "slow · stopped" in shown.html
    assert idle < IDLE


def test_while_the_model_is_loaded(place: Place, long_prompt: str) -> None:
    """The model comes, since others may want it; the answer does not."""
    shown, _ = place.interrupted(f"%%uml slow\n{long_prompt}", place.workers)
    assert "slow · stopped" in shown.html
    assert_stopped(place, shown)


def test_in_a_function_that_the_model_called(place: Place, tmp_path: Path) -> None:
    place.load("demo")
    begun = tmp_path / "begun"
    place.kernel.run(
        "import pathlib, time\n"
        "def set_light(room: str, state: str) -> str:\n"
        f"    pathlib.Path({str(begun)!r}).touch()\n"
        "    time.sleep(60)"
    )
    cell = "%%uml demo --tools set_light --yes --temperature 0\nTurn on the light in the kitchen"
    shown, idle = place.interrupted(cell, begun.exists)
    assert_stopped(place, shown)
    assert "set_light" in shown.text
    assert idle < IDLE


def test_in_a_terminal(tmp_path: Path) -> None:
    """Plain IPython, which runs the model by itself: text that scrolls by, and Ctrl-C."""
    models = tmp_path / "data" / "uml" / "models"
    models.mkdir(parents=True)
    (models / "endless.gguf").write_bytes(endless_model())
    command = [sys.executable, "-c", TERMINAL]
    environment = _environment(None, "", str(tmp_path))
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True, process_group=0) as process:
        assert process.stdout is not None
        assert process.stdout.read(20)
        (worker,) = filter(is_worker, psutil.Process(process.pid).children(recursive=True))
        began = time.perf_counter()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
        idle = asyncio.run(idle_since(worker.pid, began))
        said, _ = process.communicate("\n", timeout=30)
    assert process.returncode == 0
    assert "stopped" in said
    assert said.endswith("alive\n")
    assert "Traceback" not in said
    assert idle < IDLE
