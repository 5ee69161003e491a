"""A real kernel for the magics, and a client for the panels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from jupyter_uml.client import UniversalClient
from jupyter_uml.client.loop_thread import LoopThread
from jupyter_uml.kernel import notebook
from jupyter_uml.kernel.magics import register
from tests.client.stub_server import StubServer
from tests.conftest import Server


@dataclass
class Shown:
    """What a cell showed: each display as it looks in the end, and every step on the way there."""

    status: str = "ok"
    displays: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    printed: str = ""
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    payload: list[dict[str, Any]] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    @property
    def html(self) -> str:
        return "\n".join(data.get("text/html", "") for data in self.displays)

    @property
    def text(self) -> str:
        return "\n".join([self.printed, *(data.get("text/plain", "") for data in self.displays)]).strip()

    def take(self, message: dict[str, Any]) -> None:
        content = message["content"]
        match message["msg_type"]:
            case "display_data":
                self._places[content["transient"].get("display_id", "")] = len(self.displays)
                self.displays.append(content["data"])
            case "update_display_data":
                self.displays[self._places[content["transient"]["display_id"]]] = content["data"]
            case "stream":
                self.printed += content["text"]
            case "error":
                self.errors.append("\n".join(content["traceback"]))
        if "data" in content:
            self.steps.append(content["data"])
            self.metadata.append(content["metadata"])


class Kernel:
    """A kernel whose environment names a server, as under Jupyter; without a `url` one that has none."""

    def __init__(self, url: str | None, key: str, runtime: str) -> None:
        self._thread = LoopThread.acquire()
        self._manager = AsyncKernelManager(kernel_name="python3", connection_file=f"{runtime}/kernel-test.json")
        self._client = self._thread.run(self._start(_environment(url, key, runtime)))
        assert self.run("%load_ext jupyter_uml").status == "ok"

    def run(
        self, code: str, *, cell: str | None = None, typed: Sequence[str] | None = None, history: bool = False
    ) -> Shown:
        """`cell`: its id. `typed`: what a person answers when asked; None: nobody can be asked."""
        shown, lines = Shown(), iter(typed or ())

        async def answer(message: dict[str, Any]) -> None:
            shown.asked.append(message["content"]["prompt"])
            self._client.input(next(lines))

        self._client.session.metadata = {} if cell is None else {"cellId": cell}
        hooks: dict[str, Any] = {"output_hook": shown.take, "stdin_hook": answer}
        ask = self._client.execute_interactive(
            code, timeout=60, store_history=history, allow_stdin=typed is not None, **hooks
        )
        reply = self._thread.run(ask)["content"]
        shown.status, shown.payload = reply["status"], reply.get("payload", [])
        return shown

    def complete(self, code: str) -> dict[str, Any]:
        """What Tab offers at the end of `code`, as JupyterLab is told it."""
        reply: dict[str, Any] = self._thread.run(self._client.complete(code, reply=True, timeout=60))
        return dict(reply["content"])

    @property
    def pid(self) -> int:
        return int(self._manager.provisioner.pid)

    def interrupt(self) -> None:
        self._thread.run(self._manager.interrupt_kernel())

    def close(self) -> None:
        self._thread.run(self._stop())
        self._thread.release()

    async def _start(self, environment: dict[str, str]) -> AsyncKernelClient:
        await self._manager.start_kernel(env=environment)
        client: AsyncKernelClient = self._manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        return client

    async def _stop(self) -> None:
        self._client.stop_channels()
        await self._manager.shutdown_kernel(now=True)


def _environment(url: str | None, key: str, runtime: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER_", "JPY_"))}
    if url is not None:
        inherited |= {"JUPYTER_UML_URL": url, "JUPYTER_UML_KEY": key}
    return inherited | {
        "JUPYTER_RUNTIME_DIR": runtime,
        "JUPYTER_DATA_DIR": f"{runtime}/data",  # answers of other runs of the tests are not remembered
        "IPYTHONDIR": runtime,
    }


@pytest.fixture(scope="module")
def shared_kernel(shared_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = Kernel(shared_server.url, shared_server.token, str(tmp_path_factory.mktemp("kernel")))
    yield kernel
    kernel.close()


@pytest.fixture
def kernel(shared_kernel: Kernel, server: Server) -> Kernel:
    """A kernel of the shared server, with `%load_ext jupyter_uml` done."""
    return shared_kernel


@pytest.fixture
def stub() -> Iterator[StubServer]:
    server = StubServer()
    yield server
    server.close()


@pytest.fixture
def stub_client(stub: StubServer) -> Iterator[UniversalClient]:
    with UniversalClient(stub.url) as client:
        yield client


@pytest.fixture
def client(server: Server) -> Iterator[UniversalClient]:
    with UniversalClient(server.url, server.token) as client:
        yield client


@pytest.fixture
def shell(stub_client: UniversalClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setattr(notebook, "shared_client", lambda: stub_client)
    shell = InteractiveShell()
    shell.history_manager.enabled = False
    register(shell)
    yield shell
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()
