"""The servers that are measured: ours and, where their binaries are given, others. All speak OpenAI's completions."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx2
import psutil

from tests.bench.load import Target
from tests.bench.model_maker import BenchModel
from tests.conftest import Server, launch

START_SECONDS = 300.0
MODEL = "bench"


@dataclass(frozen=True)
class Setting:
    """What a server is started with, the same for all; `tuning` are llama-server's best flags for a workload."""

    model: BenchModel
    n_parallel: int
    n_ctx: int  # tokens for each sequence
    n_threads: int
    tuning: tuple[str, ...] = ()


class Peer(Protocol):
    """A server that can be measured."""

    name: str
    setting: Setting

    @property
    def target(self) -> Target: ...
    def start(self, setting: Setting) -> None: ...
    def stop(self) -> None: ...
    def restart(self) -> None:
        """As after a crash of the engine or a restart of the server: a new process with nothing in memory."""

    def resume(self) -> None:
        """What its user has to call after a restart to have the old prompts back."""

    def engine(self) -> psutil.Process:
        """The process that computes."""

    def processes(self) -> list[psutil.Process]: ...


class Ours:
    """Our extension, in a Jupyter server or alone; the model runs in a worker process."""

    name = "jupyter_uml"

    def __init__(self, folder: Path, standalone: bool) -> None:
        self._folder, self._standalone = folder, standalone
        self._server: Server | None = None

    @property
    def _running(self) -> Server:
        assert self._server is not None, "not started"
        return self._server

    @property
    def target(self) -> Target:
        return Target(self._running.url, MODEL, self._running.auth)

    def start(self, setting: Setting) -> None:
        self.setting = setting
        folder = self._folder / f"ours-{time.monotonic_ns()}"
        (folder / "models").mkdir(parents=True)
        _link(setting.model.path, folder / "models" / f"{MODEL}.gguf")
        self._server = launch(folder, standalone=self._standalone, cold=True)
        self._load()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            shutil.rmtree(self._server.models.parent, ignore_errors=True)
            self._server = None

    def key_with_limits(self) -> str:
        """Limits that are never reached, but counted."""
        limits = {"requests_per_minute": 10**6, "tokens_per_minute": 10**9, "max_concurrent": 100}
        answer = self._running.post("keys", {"name": "bench", "scopes": ["infer"], **limits})
        return str(answer.raise_for_status().json()["key"])

    def environment(self, folder: Path) -> dict[str, str]:
        """Of a kernel of this server, which keeps its own files in `folder`."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER_", "JPY_"))}
        inherited |= {"JUPYTER_UML_URL": self._running.url, "JUPYTER_UML_KEY": self._running.token}
        own = {"JUPYTER_RUNTIME_DIR": "runtime", "JUPYTER_DATA_DIR": "data", "IPYTHONDIR": "ipython"}
        return inherited | {name: str(folder / place) for name, place in own.items()}

    def restart(self) -> None:
        self._running.post("unload_model", {"model": MODEL}).raise_for_status()
        self._load()

    def resume(self) -> None:
        """Nothing: the engine finds its old prompts by itself."""

    def engine(self) -> psutil.Process:
        return self._running.workers()[0]

    def processes(self) -> list[psutil.Process]:
        server = psutil.Process(self._running.process.pid)
        return [server, *server.children(recursive=True)]

    def busy(self) -> bool:
        return bool(self._running.model(MODEL)["active"])

    def _load(self) -> None:
        setting = self.setting
        body = {"n_ctx": setting.n_ctx, "n_parallel": setting.n_parallel, "n_threads": setting.n_threads}
        answer = self._running.post("load_model", {"model": MODEL, "kv_type": "f16", **body})
        if answer.is_error:
            raise RuntimeError(f"load_model: {answer.text[:300]}")


class _Program(ABC):
    """A server that is one program. `health`: a route that answers 200 when the model is loaded."""

    name = ""
    health = "/health"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: psutil.Popen | None = None
        self._port = 0

    @property
    def target(self) -> Target:
        return Target(f"http://127.0.0.1:{self._port}", MODEL)

    @abstractmethod
    def command(self, setting: Setting, port: int) -> list[str]: ...

    def start(self, setting: Setting) -> None:
        self.setting = setting
        self._port = free_port()
        log = self._folder / f"{self.name}.log"
        with log.open("wb") as output:
            command = self.command(setting, self._port)
            self._process = psutil.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        _wait(self._healthy, lambda: f"{self.name} did not start:\n{log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except psutil.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start(self.setting)

    def resume(self) -> None:  # noqa: B027  most keep nothing
        """Nothing is kept."""

    def engine(self) -> psutil.Process:
        assert self._process is not None, "not started"
        return psutil.Process(self._process.pid)

    def processes(self) -> list[psutil.Process]:
        return [self.engine(), *self.engine().children(recursive=True)]

    def _healthy(self) -> bool:
        if not self.engine().is_running() or self.engine().status() == psutil.STATUS_ZOMBIE:
            raise RuntimeError(f"{self.name} has ended")
        try:
            return httpx2.get(self.target.url + self.health, timeout=5).status_code == 200
        except httpx2.HTTPError:
            return False


class LlamaServer(_Program):
    """llama.cpp's own server. Its prompts survive a restart where its user saves and restores the slot."""

    name = "llama-server"

    def __init__(self, folder: Path, binary: Path) -> None:
        super().__init__(folder)
        self.binary = binary

    def command(self, setting: Setting, port: int) -> list[str]:
        flags = {
            "-m": setting.model.path,
            "-c": setting.n_ctx * setting.n_parallel,
            "-np": setting.n_parallel,
            "-t": setting.n_threads,
            "-tb": setting.n_threads,
            "-ctk": "f16",
            "-ctv": "f16",
            "-a": MODEL,
            "--port": port,
            "--slot-save-path": self._folder,
        }
        pairs = [str(part) for pair in flags.items() for part in pair]
        return [str(self.binary), *pairs, "-lv", "1", "--offline", "--no-ui", *setting.tuning]

    def restart(self) -> None:
        self._slot("save")
        super().restart()

    def resume(self) -> None:
        self._slot("restore")

    def version(self) -> str:
        shown = subprocess.run([self.binary, "--version"], capture_output=True, text=True, check=False)
        return next((line for line in (shown.stdout + shown.stderr).splitlines() if "version" in line), "unknown")

    def _slot(self, action: str) -> None:
        url = f"{self.target.url}/slots/0?action={action}"
        httpx2.post(url, json={"filename": "slot.bin"}, timeout=60).raise_for_status()


class LlamaCppServer(_Program):
    """`python -m llama_cpp.server`, of llama-cpp-python: one request at a time."""

    name = "llama_cpp.server"
    health = "/v1/models"

    def command(self, setting: Setting, port: int) -> list[str]:
        flags = {
            "--model": setting.model.path,
            "--model_alias": MODEL,
            "--n_ctx": setting.n_ctx,
            "--n_threads": setting.n_threads,
            "--n_threads_batch": setting.n_threads,
            "--port": port,
            "--interrupt_requests": "false",
            "--verbose": "false",
        }
        return [sys.executable, "-m", "llama_cpp.server", *(str(part) for pair in flags.items() for part in pair)]


def _link(source: Path, target: Path) -> None:
    """The same file under another name: all servers then read the same pages."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait(ready: Callable[[], bool], message: Callable[[], str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    try:
        while not ready():
            if time.monotonic() > deadline:
                raise RuntimeError("timeout")
            time.sleep(0.05)
    except (RuntimeError, psutil.Error) as error:
        raise RuntimeError(message()) from error
