"""Real servers for every test that needs one, and a look around after each test: nothing may be left behind."""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import secrets
import signal
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import hypothesis
import psutil
import pytest

from jupyter_uml.demo import demo_model_path
from tests.warm_start import Forked

# A shell that starts the tests in the background has SIGINT ignored, which all that they start would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

START_SECONDS = 60.0
hypothesis.settings.register_profile("untimed", deadline=None)  # the machine may be busy with other things
hypothesis.settings.load_profile("untimed")
QUICK_START = Path(__file__).with_name("quick_start")
# Of these only JupyterLab's own tests notice something; jupyter_lsp alone runs npm for a second.
OTHERS = ("jupyterlab", "jupyter_lsp", "jupyter_server_terminals", "notebook_shim")
TLS = ssl.create_default_context()  # made once: httpx reads all certificates for each request otherwise


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is found out about models and machines here is nothing to the servers of whoever runs the tests."""
    folder = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CONFIG", "DATA", "RUNTIME"):
            patch.setenv(f"JUPYTER_{name}_DIR", str(folder / name.lower()))
        patch.setenv("PYTHONPATH", str(QUICK_START), prepend=os.pathsep)
        # Each new HTTP client reads the file of all certificates, for 27 ms; in a folder it looks when it needs one.
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", ssl.get_default_verify_paths().openssl_capath)
        yield


@dataclass
class Server:
    """A running Jupyter server (or `jupyter uml`) with our extension. `url` is the address of our routes."""

    process: subprocess.Popen[bytes] | Forked
    root: str
    token: str
    log: Path
    runtime: Path
    models: Path
    standalone: bool

    @property
    def url(self) -> str:
        return f"{self.root}uml"

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def request(self, method: str, path: str, body: Any = None, **kwargs: Any) -> httpx2.Response:
        headers = {**self.auth, **kwargs.pop("headers", {})}
        content = kwargs.pop("content", None if body is None else json.dumps(body).encode())
        return httpx2.request(
            method, f"{self.url}/{path}", content=content, headers=headers, timeout=60, verify=TLS, **kwargs
        )

    def get(self, path: str, **kwargs: Any) -> httpx2.Response:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, body: Any = None, **kwargs: Any) -> httpx2.Response:
        return self.request("POST", path, body, **kwargs)

    def model(self, model_id: str = "demo") -> dict[str, Any]:
        row: dict[str, Any] = self.get(f"models/{model_id}").json()
        return row

    def workers(self) -> list[psutil.Process]:
        """The worker processes of this server that are alive."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if is_worker(child)]

    def stop(self) -> None:
        """End it as a person would; a server that does not end by itself has failed the test."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not end on SIGTERM:\n{self.log.read_text()[-3000:]}") from None
        assert code == 0, self.log.read_text()[-3000:]


def is_worker(process: psutil.Process) -> bool:
    try:
        return "jupyter_uml.worker" in process.cmdline()
    except psutil.Error:
        return False


def wait_until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first true value of `condition`; for what other processes do, which sends no event."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {condition}")
        time.sleep(0.01)
    return value


def endless_model() -> bytes:
    """The demo model made to talk without end: it has a long context and does not know its own end marker."""
    content = bytearray(demo_model_path().read_bytes().replace(b"<|im_end|>", b"<|im_xnd|>"))
    for key, value in ((b"llama.context_length", 1 << 15), (b"eos_token_id", 0), (b"eot_token_id", 0)):
        start = content.find(key)
        if start >= 0:  # the key's text is followed by its type, 4 for an unsigned 32-bit number, and the value
            place = start + len(key)
            assert struct.unpack_from("<I", content, place) == (4,)
            struct.pack_into("<I", content, place + 4, value)
    return bytes(content)


def launch(
    folder: Path,
    *,
    standalone: bool = False,
    args: tuple[str, ...] = (),
    model_dirs: bool = True,
    cold: bool = False,
) -> Server:
    """Start a server with folders of its own and wait until it answers. It has the models `demo` and `endless`.

    A cold start is what people have: a new process, with JupyterLab beside us. It takes 2.5 s, the other one 0.5 s.
    """
    runtime, models = folder / "runtime", folder / "models"
    for path in (runtime, models, folder / "work", folder / "home"):
        path.mkdir(parents=True, exist_ok=True)
    (models / "endless.gguf").write_bytes(endless_model())
    token = secrets.token_hex(16)
    arguments = [
        "jupyter_uml" if standalone else "jupyter_server",
        "--ip=127.0.0.1",
        f"--port={40000 + secrets.randbelow(20000)}",
        "--no-browser",
        "--allow-root",
        f"--IdentityProvider.token={token}",
        *([f"--UMLApp.model_dirs={models}"] if model_dirs else []),
        *(f"--ServerApp.jpserver_extensions={name}=False" for name in OTHERS if not cold and not standalone),
        *args,
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER_", "JPY_"))}
    environment |= {
        "HOME": str(folder / "home"),  # the models of whoever runs the tests are not looked at
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    log = folder / "server.log"
    log.touch()
    process = (_started if cold else _forked)(arguments, environment, folder / "work", log)
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        for path in runtime.glob("jpserver-*.json"):
            try:
                root = json.loads(path.read_text())["url"].replace("localhost", "127.0.0.1")
                httpx2.get(f"{root}uml/health", timeout=5, verify=TLS)
            except (ValueError, KeyError, httpx2.HTTPError):
                continue
            return Server(process, root, token, log, runtime, models, standalone)
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"the server did not start:\n{log.read_text()}")


def _started(arguments: list[str], environment: dict[str, str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", *arguments]
    with log.open("wb") as output:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)


def _forked(arguments: list[str], environment: dict[str, str], folder: Path, log: Path) -> Forked:
    main = partial(runpy.run_module, arguments[0], run_name="__main__", alter_sys=True)
    return Forked(main, arguments, environment, folder=folder, output=log, errors=log)


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One Jupyter server for all tests that leave it as they found it."""
    server = launch(tmp_path_factory.mktemp("shared"), cold=True)
    yield server
    server.stop()


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """The shared server, with nothing running on it before and after."""
    yield shared_server
    wait_until(lambda: not any(row["active"] for row in shared_server.get("models").json()["models"]))


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server that the test may kill. Its folder of models holds what the test puts there."""
    server = launch(tmp_path)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def standalone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`jupyter uml`, without Jupyter's contents and kernels."""
    server = launch(tmp_path_factory.mktemp("standalone"), standalone=True, cold=True)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def demo_bytes() -> bytes:
    return demo_model_path().read_bytes()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """A test that leaves a worker, a thread or a descriptor behind has failed."""
    before = {thread.ident for thread in threading.enumerate()}
    yield
    left = [child for child in _children() if is_worker(child)]
    assert not left, f"worker processes left behind: {left}"
    threads = [t for t in threading.enumerate() if t.ident not in before and not _belongs_to_a_library(t)]
    for thread in threads:
        thread.join(5)
    assert not [t for t in threads if t.is_alive()], f"threads left behind: {threads}"


def _children() -> list[psutil.Process]:
    """Those that psutil finds by a look at every process of the machine, which is too long after each test."""
    with contextlib.suppress(OSError, psutil.Error):  # a thread or a child has just ended
        if listed := [path.read_text() for path in Path("/proc/self/task").glob("*/children")]:
            return [psutil.Process(int(pid)) for pid in " ".join(listed).split()]
    return psutil.Process().children()


def _belongs_to_a_library(thread: threading.Thread) -> bool:
    return thread.name.startswith(("asyncio_", "waitpid-", "ThreadPoolExecutor", "IPython", "tqdm"))
