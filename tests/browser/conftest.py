"""A JupyterLab with folders of its own, a Chromium, and for each test a fresh page on a server with nothing loaded."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.browser.jupyter_page import JupyterPage
from tests.browser.lab import Lab
from tests.browser.notebook7 import Notebook7
from tests.browser.recorder import Recorder
from tests.conftest import Server, endless_model, launch
from tests.loader.hub.hub_server import HubServer

RESULTS = Path(__file__).parents[2] / "test-results"  # git ignores it
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}
EXPOSED = tuple(f"--{app}.expose_app_in_browser=True" for app in ("LabApp", "JupyterNotebookApp"))
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing here may need another machine
)
LAST = "test_every_button.py"  # it looks at what the others did
FAILED = pytest.StashKey[bool]()
Jupyter = Lab | Notebook7
expect.set_options(timeout=20_000)  # milliseconds: two browsers share two cores, and what has to be soon says so itself


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
    items.sort(key=lambda item: item.path.name == LAST)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="session")
def hub() -> Iterator[HubServer]:
    """From which the server pulls models."""
    hub = HubServer()
    yield hub
    hub.close()


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory, hub: HubServer) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("lab")
    for name, value in SETTINGS.items():
        path = settings_file(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
    page_config = folder / "config" / "labconfig" / "page_config.json"
    page_config.parent.mkdir(parents=True)
    page_config.write_text('{"buildCheck": false}')  # which takes half a second of each page's start
    server = launch(folder, args=(*EXPOSED, f"--UMLApp.hub_endpoint={hub.endpoint}"), cold=True)
    clear(server)
    yield server
    server.stop()
    assert server.process.returncode == 0, "the server had to be killed, or ended with an error"


@pytest.fixture(scope="session")
def context(lab_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """One for all tests, with a folder: JupyterLab's megabytes come from its cache after the first page, compiled."""
    path = os.environ.get("UML_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("no Chromium: set UML_CHROMIUM")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"),
            executable_path=path,
            args=list(FLAGS),
            viewport={"width": 1400, "height": 900},
            device_scale_factor=1.5,
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=lab_server.root.rstrip("/"))
        context.set_default_timeout(20_000)
        yield context
        context.close()


@pytest.fixture(scope="session")
def browser(context: BrowserContext) -> Browser:
    """For contexts of one's own."""
    assert context.browser is not None
    return context.browser


@pytest.fixture(scope="session")
def recorder(context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Recorder]:
    """`UML_PRESSED`: a folder which several sessions share, where each runs some of the tests."""
    folder = os.environ.get("UML_PRESSED")
    recorder = Recorder(context, Path(folder) if folder else None)
    if not request.config.option.keyword:
        recorder.files |= {item.path.name for item in request.session.items}
    yield recorder
    recorder.keep(str(os.getpid()))


@pytest.fixture(scope="session")
def kept() -> list[Lab]:
    """The page of a test that left nothing in it: a new one takes two to three seconds."""
    return []


@pytest.fixture
def lab(
    context: BrowserContext, lab_server: Server, recorder: Recorder, kept: list[Lab], request: pytest.FixtureRequest
) -> Iterator[Lab]:
    """JupyterLab, as if just opened. What the test leaves behind is put away after it."""
    lab = kept.pop() if kept else Lab(context.new_page(), lab_server, RESULTS)
    try:
        if not lab.loaded:
            lab.load()
        yield lab
    finally:
        look_back(lab, recorder, request.node)
        changed = reset_settings(lab_server)
        if lab.is_fresh and not changed and not request.node.stash.get(FAILED, False):
            lab.close_documents()
            kept.append(lab)
        else:
            lab.page.close()
        clear(lab_server)
    assert not lab.foreign, f"the page asked other machines: {lab.foreign}"


@pytest.fixture
def notebook7(
    context: BrowserContext, lab_server: Server, recorder: Recorder, request: pytest.FixtureRequest
) -> Iterator[Notebook7]:
    """A page for Notebook 7, where nothing is opened yet."""
    page = Notebook7(context.new_page(), lab_server, RESULTS)
    try:
        yield page
    finally:
        look_back(page, recorder, request.node)
        page.page.close()
        reset_settings(lab_server)
        clear(lab_server)
    assert not page.foreign, f"the page asked other machines: {page.foreign}"


@pytest.fixture(params=["lab", "notebook7"])
def jupyter(context: BrowserContext, request: pytest.FixtureRequest) -> Jupyter:
    """JupyterLab, then Notebook 7. (What lives longer than a test is there before the test looks around.)"""
    jupyter: Jupyter = request.getfixturevalue(request.param)
    return jupyter


@pytest.fixture
def endless(lab_server: Server) -> str:
    """A loaded model whose answers go on for many seconds."""
    (lab_server.models / "endless.gguf").write_bytes(endless_model())
    lab_server.post("load_model", {"model": "endless", "n_ctx": 8192}).raise_for_status()
    return "endless"


@pytest.fixture
def broken(lab_server: Server, demo_bytes: bytes) -> Path:
    """The file of a model `broken`: a download that broke off."""
    path = lab_server.models / "broken.gguf"
    path.write_bytes(demo_bytes[: len(demo_bytes) // 2])
    return path


@pytest.fixture
def strange(lab_server: Server, demo_bytes: bytes) -> Path:
    """The file of a model `strange`: only llama.cpp finds out that it knows no such architecture."""
    path = lab_server.models / "strange.gguf"
    path.write_bytes(demo_bytes.replace(b"llama", b"lxama"))
    return path


def look_back(jupyter: JupyterPage, recorder: Recorder, test: pytest.Item) -> None:
    """What is worth keeping of a test's page before it goes."""
    recorder.look_around()
    if test.stash.get(FAILED, False) or not jupyter.loaded:
        RESULTS.mkdir(exist_ok=True)
        jupyter.page.screenshot(path=RESULTS / f"{test.name}.png")
        (RESULTS / f"{test.name}.console.log").write_text("\n".join(jupyter.console))
        (RESULTS / f"{test.name}.server.log").write_text(jupyter.server.log.read_text())


def clear(server: Server) -> None:
    """No kernel, no loaded model, no file of the test."""
    for session in httpx2.get(f"{server.root}api/sessions", headers=server.auth).json():
        httpx2.delete(f"{server.root}api/sessions/{session['id']}", headers=server.auth, timeout=30)
    for row in server.get("models").json()["models"]:
        if row["state"] != "available":
            server.post("unload_model", {"model": row["id"], "force": True})
    for path in [*server.models.iterdir(), *(server.models.parent / "work").iterdir()]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def reset_settings(server: Server) -> bool:
    """To those of the beginning; whether there were others."""
    folder = server.models.parent
    first = {settings_file(folder, name) for name in SETTINGS}
    others = set((folder / "config").rglob("*.jupyterlab-settings")) - first
    for path in others:
        path.unlink()
    return bool(others)


def settings_file(folder: Path, name: str) -> Path:
    return folder / "config" / "lab" / "user-settings" / f"{name}.jupyterlab-settings"
