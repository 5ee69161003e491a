"""A JupyterLab with folders of its own, a Chromium, and for each test a fresh page on a server with nothing loaded."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.lab import Lab
from tests.conftest import Server, endless_model, launch

RESULTS = Path(__file__).parents[2] / "test-results"  # git ignores it
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing here may need another machine
)
FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("lab")
    for name, value in SETTINGS.items():
        path = settings_file(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
    server = launch(folder, args=("--LabApp.expose_app_in_browser=True",), cold=True)
    clear(server)
    yield server
    server.stop()
    assert server.process.returncode == 0, "the server had to be killed, or ended with an error"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("UML_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("no Chromium: set UML_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(browser: Browser, lab_server: Server) -> Iterator[BrowserContext]:
    """One for all tests: JupyterLab's megabytes come from its cache after the first page."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, device_scale_factor=1.5)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=lab_server.root.rstrip("/"))
    context.set_default_timeout(20_000)
    yield context
    context.close()


@pytest.fixture
def lab(context: BrowserContext, lab_server: Server, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """JupyterLab, just opened. What the test leaves behind is put away after it."""
    lab = Lab(context.new_page(), lab_server, RESULTS)
    try:
        lab.load()
        yield lab
    finally:
        if request.node.stash.get(FAILED, False) or not lab.loaded:
            keep_evidence(lab, request.node.name)
        lab.page.close()
        clear(lab_server)
    assert not lab.foreign, f"the page asked other machines: {lab.foreign}"


@pytest.fixture
def endless(lab: Lab) -> str:
    """A loaded model whose answers go on for many seconds."""
    (lab.server.models / "endless.gguf").write_bytes(endless_model())
    lab.server.post("load_model", {"model": "endless", "n_ctx": 8192}).raise_for_status()
    return "endless"


@pytest.fixture
def broken(lab: Lab, demo_bytes: bytes) -> Path:
    """The file of a model `broken`: a download that broke off."""
    path = lab.server.models / "broken.gguf"
    path.write_bytes(demo_bytes[: len(demo_bytes) // 2])
    return path


@pytest.fixture
def strange(lab: Lab, demo_bytes: bytes) -> Path:
    """The file of a model `strange`: only llama.cpp finds out that it knows no such architecture."""
    path = lab.server.models / "strange.gguf"
    path.write_bytes(demo_bytes.replace(b"llama", b"lxama"))
    return path


def keep_evidence(lab: Lab, name: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    lab.page.screenshot(path=RESULTS / f"{name}.png")
    (RESULTS / f"{name}.console.log").write_text("\n".join(lab.console))
    (RESULTS / f"{name}.server.log").write_text(lab.server.log.read_text())


def clear(server: Server) -> None:
    """No kernel, no loaded model, no file of the test, the settings of the beginning."""
    for session in httpx2.get(f"{server.root}api/sessions", headers=server.auth).json():
        httpx2.delete(f"{server.root}api/sessions/{session['id']}", headers=server.auth, timeout=30)
    for row in server.get("models").json()["models"]:
        if row["state"] != "available":
            server.post("unload_model", {"model": row["id"], "force": True})
    folder = server.models.parent
    for path in [*server.models.iterdir(), *(folder / "work").iterdir()]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    settings_file(folder, "@jupyterlab/apputils-extension/themes").unlink(missing_ok=True)


def settings_file(folder: Path, name: str) -> Path:
    return folder / "config" / "lab" / "user-settings" / f"{name}.jupyterlab-settings"
