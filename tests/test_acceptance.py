"""What the product promises, through all of it: real kernels, a real server, the real SDK, real kills."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx2
import openai
import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_core.utils import ensure_event_loop

from tests.conftest import Server, wait_until

LONG_CELL = "%%uml endless\nHow do I load a model?"


class Notebook:
    """A kernel started by the server, as JupyterLab starts it. Its client lives on a thread of its own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="notebook")
        self.showed = threading.Event()  # the latest cell has shown something
        self.id: str = httpx2.post(f"{server.root}api/kernels", headers=server.auth, json={}).json()["id"]
        file = server.runtime / f"kernel-{self.id}.json"
        wait_until(file.exists)
        self._client = BlockingKernelClient(connection_file=str(file))
        self._thread.submit(self._connect).result()
        self.run("%load_ext jupyter_uml")

    def start(self, code: str) -> Future[tuple[dict[str, Any], str]]:
        """Run a cell: the reply, and all text that it showed."""
        self.showed.clear()
        return self._thread.submit(self._run, code)

    def run(self, code: str) -> tuple[dict[str, Any], str]:
        return self.start(code).result(60)

    def interrupt(self) -> None:
        httpx2.post(f"{self._server.root}api/kernels/{self.id}/interrupt", headers=self._server.auth)

    def close(self) -> None:
        self._thread.submit(self._disconnect).result()
        self._thread.shutdown()
        if self._server.process.poll() is None:
            httpx2.delete(f"{self._server.root}api/kernels/{self.id}", headers=self._server.auth, timeout=30)

    def _connect(self) -> None:
        self._client.load_connection_file()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def _run(self, code: str) -> tuple[dict[str, Any], str]:
        shown: list[str] = []

        def on_output(message: dict[str, Any]) -> None:
            content = message["content"]
            shown.append(content.get("text", ""))
            shown.append(content.get("data", {}).get("text/plain", ""))
            shown.extend(content.get("traceback", []))
            if any(shown):
                self.showed.set()

        reply = self._client.execute_interactive(code, output_hook=on_output, timeout=60, store_history=False)
        return reply["content"], "\n".join(shown)

    def _disconnect(self) -> None:
        self._client.stop_channels()
        ensure_event_loop().close()  # jupyter_client makes one for every thread and never closes it


@pytest.fixture
def notebooks(own_server: Server) -> Iterator[list[Notebook]]:
    opened = [Notebook(own_server), Notebook(own_server)]
    yield opened
    for notebook in opened:
        notebook.close()


def sdk(server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.token, max_retries=0)


def stream_endlessly(server: Server, max_tokens: int | None = None, began: threading.Event | None = None) -> str:
    """Stream one long answer; the error that ended it, or an empty string. `began` is set at the first event."""
    messages: Any = [{"role": "user", "content": "Hi"}]
    with sdk(server) as client:
        try:
            for _ in client.chat.completions.create(
                model="endless", messages=messages, stream=True, max_tokens=max_tokens
            ):
                if began is not None:
                    began.set()
        except openai.APIError as error:
            return str(error)
    return ""


def test_two_kernels_and_a_program_share_one_process(own_server: Server, notebooks: list[Notebook]) -> None:
    with ThreadPoolExecutor(3) as pool:
        cells = [notebook.start("%%uml endless --max-tokens 200\nHow do I load a model?") for notebook in notebooks]
        program = pool.submit(stream_endlessly, own_server, 200)
        replies = [cell.result() for cell in cells]
        assert program.result() == ""
    for reply, shown in replies:
        assert reply["status"] == "ok", shown
        assert shown.strip()
    (worker,) = own_server.workers()
    assert own_server.model("endless")["pid"] == worker.pid


def test_a_killed_worker_fails_every_stream_within_a_second_and_nothing_else(
    own_server: Server, notebooks: list[Notebook]
) -> None:
    own_server.post("load_model", {"model": "endless"})
    pid = own_server.model("endless")["pid"]
    ended: list[float] = []
    with ThreadPoolExecutor(1) as pool:
        cells = [notebook.start(LONG_CELL) for notebook in notebooks]
        began = threading.Event()
        program = pool.submit(stream_endlessly, own_server, began=began)
        for future in (*cells, program):
            future.add_done_callback(lambda _: ended.append(time.monotonic()))
        for begins in (began, *(notebook.showed for notebook in notebooks)):
            assert begins.wait(30)  # a request that nothing came of yet would be sent again, unseen
        assert own_server.model("endless")["active"] == 3
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        replies = [cell.result() for cell in cells]
        error = program.result()
    assert max(ended) - killed < 1.0
    assert "process ended" in error
    for reply, shown in replies:
        assert reply["status"] == "error"
        assert "process ended" in shown
        assert "Traceback" not in shown
    for notebook in notebooks:
        assert notebook.run("1 + 1")[1].strip() == "2"
    assert httpx2.get(f"{own_server.root}api/status", headers=own_server.auth).status_code == 200
    reply, shown = notebooks[0].run("%%uml endless --max-tokens 5\nWho are you?")
    assert reply["status"] == "ok", shown
    assert own_server.model("endless")["pid"] != pid


def test_no_worker_outlives_a_killed_server(own_server: Server) -> None:
    own_server.post("load_model", {"model": "endless"})
    (worker,) = own_server.workers()
    thread = threading.Thread(target=lambda: _ignore_errors(stream_endlessly, own_server))
    thread.start()
    wait_until(lambda: own_server.model("endless")["active"] == 1)
    own_server.process.kill()
    own_server.process.wait()
    psutil.wait_procs([worker], timeout=2)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    thread.join(10)


def _ignore_errors(call: Any, *args: Any) -> None:
    with suppress(httpx2.HTTPError):
        call(*args)


def test_an_interrupt_ends_the_generation_and_keeps_what_came(own_server: Server, notebooks: list[Notebook]) -> None:
    notebook = notebooks[0]
    own_server.post("load_model", {"model": "endless"})
    cell = notebook.start(LONG_CELL)
    wait_until(lambda: (own_server.model("endless")["tokens_per_second"] or 0) > 0)
    notebook.interrupt()
    wait_until(lambda: own_server.model("endless")["active"] == 0, 1.0)
    _, shown = cell.result()
    assert "stopped" in shown.lower()
    assert "Traceback" not in shown
    assert notebook.run("1 + 1")[1].strip() == "2"


def test_a_kernel_that_restarts_leaves_the_model_loaded(own_server: Server, notebooks: list[Notebook]) -> None:
    notebooks[0].run("%uml load demo")
    pid = own_server.model()["pid"]
    assert pid
    url = f"{own_server.root}api/kernels/{notebooks[0].id}/restart"
    assert httpx2.post(url, headers=own_server.auth, timeout=60).status_code == 200
    assert own_server.model()["pid"] == pid


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%uml load nope", "No model is called"),
        ("%uml load broken", "broken cannot be loaded"),
        ("%%uml nope\nhello", "No model is called"),
        ("%%uml demo\n" + "word " * 3000, "context holds 1024"),
        ("%%uml demo\n  ", "empty"),
        ("%uml load demo --n-ctx 9999", "trained for a context of 1024"),
        ("%uml frobnicate", "frobnicate"),
    ],
)
def test_an_error_in_a_cell_is_one_readable_line(shared_kernel: Notebook, cell: str, said: str) -> None:
    reply, shown = shared_kernel.run(cell)
    assert reply["status"] == "error"
    assert said in shown
    assert "Traceback" not in shown
    assert "File " not in shown


@pytest.fixture(scope="module")
def shared_kernel(shared_server: Server, demo_bytes: bytes) -> Iterator[Notebook]:
    path = shared_server.models / "broken.gguf"
    path.write_bytes(demo_bytes[:100_000])
    notebook = Notebook(shared_server)
    yield notebook
    notebook.close()
    path.unlink()


def test_a_model_whose_file_is_gone_is_told(shared_kernel: Notebook, server: Server, demo_bytes: bytes) -> None:
    path = server.models / "fleeting.gguf"
    path.write_bytes(demo_bytes)
    wait_until(lambda: server.get("models/fleeting").status_code == 200)
    path.unlink()
    _, shown = shared_kernel.run("%uml load fleeting")
    assert "is gone" in shown or "No model is called" in shown
