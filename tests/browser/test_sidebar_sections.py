"""What is folded below the models: pulls, running answers, usage, and programs to begin with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Locator, Route, expect

from tests.browser import axe
from tests.browser.jupyter_page import SOON
from tests.browser.lab import Lab
from tests.conftest import TLS, Server, wait_until
from tests.loader.hub.hub_server import Act, HubServer
from tests.server.keys import TestKey, new_key

HOSTILE = '<img src=x onerror="window.hurt=1">'
HUGGING_FACE = "https://huggingface.co"
PIECES = 40


@pytest.fixture
def hub_folder(lab_server: Server, hub: HubServer) -> Iterator[Path]:
    """Where pulled models lie. What the test pulled is gone after it."""
    hub.release.clear()
    hub.held.clear()
    folder = lab_server.models.parent / "home" / ".cache" / "huggingface"
    yield folder
    hub.release.set()
    for row in lab_server.get("pull").json()["pulls"]:
        lab_server.request("DELETE", f"pull/{row['id']}")
    for row in lab_server.get("models").json()["models"]:
        if row["state"] == "loaded":
            lab_server.post("unload_model", {"model": row["id"], "force": True})
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def stranger(lab_server: Server) -> Iterator[TestKey]:
    """A program with a key, whose name is hostile."""
    made = lab_server.post("keys", {"name": HOSTILE, "scopes": ["infer"]}).json()
    key = TestKey(lab_server, made["id"], made["key"])
    yield key
    key.revoke()


def section(lab: Lab, name: str) -> Locator:
    """Opened."""
    found = lab.sidebar().root.locator(f"[data-uml-section={name}]")
    found.locator("summary").first.click()
    return found


def slow(hub: HubServer, after: int) -> Act:
    """Send so many bytes within a second, then nothing until `release` is set."""

    def act(handler: BaseHTTPRequestHandler, content: bytes, start: int) -> None:
        handler.begin(content, start)  # type: ignore[attr-defined]
        step = -(-after // PIECES)
        for place in range(start, start + after, step):
            handler.wfile.write(content[place : min(place + step, start + after)])
            hub.release.wait(1 / PIECES)
        hub.held.set()
        hub.release.wait(30)
        handler.wfile.write(content[start + after :])

    return act


def pictures(lab: Lab, name: str, root: Locator) -> None:
    for theme in lab.in_both_themes():
        root.scroll_into_view_if_needed()
        assert axe.violations(root) == []
        lab.picture(f"{name}-{theme.lower()}", lab.sidebar().root)


def test_a_repository_is_looked_at_pulled_cancelled_and_gone_on_with(
    lab: Lab, hub: HubServer, hub_folder: Path, demo_bytes: bytes
) -> None:
    large = demo_bytes + bytes(len(demo_bytes))
    hub.add("some/Demo-GGUF", {"Demo-F16.gguf": large, "Demo-Q8_0.gguf": demo_bytes, "demo.safetensors": b"x"})
    pull = section(lab, "pull")
    name = pull.get_by_role("textbox", name="Repository")
    name.fill(f"{HUGGING_FACE}/some/Demo-GGUF")
    name.press("Enter")
    choice = pull.get_by_role("combobox", name="Quantisation")
    expect(choice.locator("option:checked")).to_contain_text("Q8_0 · ")
    expect(pull).to_contain_text("small enough to be had in this quality")
    expect(pull).to_contain_text("Its safetensors files are left out")
    pictures(lab, "sidebar-pull-look", pull)
    choice.select_option(label=choice.locator("option", has_text="F16").inner_text())
    expect(pull).to_contain_text("It was asked for.")

    hub.acts.append(slow(hub, len(demo_bytes)))
    pull.get_by_role("button", name="of some/Demo-GGUF:F16").click()
    row = pull.get_by_role("listitem", name="some/Demo-GGUF:F16")
    bar = row.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", re.compile("^([34][0-9]|50)$"))
    expect(name).to_have_value("")
    expect(pull.locator("summary").first).to_contain_text("1")
    pictures(lab, "sidebar-pull-progress", pull)
    row.get_by_role("button", name="Cancel").click()
    expect(row).to_contain_text("is cancelled. What had come is kept.")
    expect(bar).to_have_count(0)
    row.get_by_role("button", name="Go on").click()
    expect(row).to_contain_text("is here: ")
    assert hub.downloads("Demo-F16.gguf")[-1].start == len(demo_bytes)
    [model] = [row["id"] for row in lab.server.get("models").json()["models"] if "F16" in row["id"]]
    expect(lab.sidebar().row(model, "available")).to_be_visible()
    row.get_by_role("button", name="Dismiss").click()
    expect(row).to_have_count(0)


def test_pulls_of_others_show_and_an_error_says_what_helps(
    lab: Lab, hub: HubServer, hub_folder: Path, demo_bytes: bytes
) -> None:
    hub.add("some/Other-GGUF", {"Other-Q8_0.gguf": demo_bytes})
    gated = hub.add("some/Gated-GGUF", {"Gated-Q8_0.gguf": demo_bytes + b"\0"}, gated=True)
    pull = section(lab, "pull")
    hub.acts.append(hub.hold(1000))
    lab.server.post("pull", {"model": "some/Other-GGUF", "wait": False})
    expect(pull.get_by_role("listitem", name="some/Other-GGUF")).to_be_visible(timeout=SOON)
    hub.release.set()
    expect(pull.get_by_role("listitem", name="some/Other-GGUF")).to_contain_text("is here: ")

    name = pull.get_by_role("textbox", name="Repository")
    name.fill("some/Nothing")
    name.press("Enter")
    expect(pull.get_by_role("alert")).to_contain_text("No such repository")
    name.fill(HOSTILE)
    expect(pull.get_by_role("alert")).to_have_count(0)
    name.press("Enter")
    expect(pull.get_by_role("alert")).to_contain_text("Write owner/repository")
    name.fill("some/Gated-GGUF")
    pull.get_by_role("button", name="Look what the repository offers").click()
    pull.get_by_role("button", name="of some/Gated-GGUF").click()
    row = pull.get_by_role("listitem", name="some/Gated-GGUF")
    expect(row.get_by_role("alert")).to_contain_text("accept the conditions on its page")
    page = row.get_by_role("link", name="Its page on Hugging Face")
    expect(page).to_have_attribute("href", f"{HUGGING_FACE}/some/Gated-GGUF")
    lab.page.context.route(f"{HUGGING_FACE}/**", lambda route: route.fulfill(body="<h1>The conditions</h1>"))
    with lab.page.context.expect_page() as opened:
        page.click()
    expect(opened.value.get_by_role("heading")).to_have_text("The conditions")
    opened.value.close()
    lab.page.context.unroute(f"{HUGGING_FACE}/**")
    pictures(lab, "sidebar-pull-refused", pull)
    gated.gated = False
    row.get_by_role("button", name="Try again to pull some/Gated-GGUF").click()
    expect(row).to_contain_text("is here: ")
    assert lab.page.evaluate("window.hurt") is None


def test_running_answers_are_shown_and_stopped(lab: Lab, endless: str, stranger: TestKey) -> None:
    notebook = lab.notebook("long.ipynb", "%load_ext jupyter_uml", f"%%uml {endless}\nWhy is {HOSTILE} blue?")
    notebook.run(0)
    running = section(lab, "running")
    expect(running).to_contain_text("Nothing is being answered.")
    notebook.begin(1)
    row = running.get_by_role("listitem").filter(has_text="blue?")
    expect(row).to_be_visible(timeout=SOON)
    expect(row).to_contain_text("Answering")
    expect(row).to_contain_text("tokens/s")
    expect(row).to_contain_text(f"{endless} · cell")
    body = {"model": endless, "stream": True, "messages": [{"role": "user", "content": "Go on"}]}
    url = f"{lab.server.url}/v1/chat/completions"
    with httpx2.stream("POST", url, json=body, headers=stranger.headers, timeout=30, verify=TLS):
        other = running.get_by_role("listitem").filter(has_text=f"A request of {HOSTILE}")
        expect(other).to_be_visible(timeout=SOON)
        pictures(lab, "sidebar-running", running)
        row.get_by_role("button", name="Stop").press("Enter")
        expect(row).to_have_count(0)
        expect(running.locator("summary")).to_be_focused()
        notebook.begin(1)
        expect(row).to_be_visible()
        running.get_by_role("button", name="Stop all").click()
        question = lab.page.get_by_role("dialog")
        expect(question).to_contain_text("1 of them asked for by other people or programs.")
        question.get_by_role("button", name="Stop").click()
        expect(running.get_by_role("listitem")).to_have_count(0)
    expect(running).to_contain_text("Nothing is being answered.")
    notebook.finish()
    assert lab.page.evaluate("window.hurt") is None


def test_how_a_day_looks(lab: Lab, endless: str) -> None:
    """For those who read the documentation: what others did is left out."""
    lab.page.set_viewport_size({"width": 1400, "height": 1200})
    names = ("weekly report", "editor")
    report, _ = keys = [new_key(lab.server, name=name) for name in names]
    for key, times in zip(keys, (3, 1), strict=True):
        for _ in range(times):
            assert key.chat(max_tokens=60).status_code == 200
    lab.page.route("**/uml/usage?*", lambda route: route.fulfill(json=of_keys(route, {*names, "jupyter"})))
    short, long = "%%uml demo\nWhat is a cell?", f"%%uml {endless}\nWhich month sold best, and why?"
    notebook = lab.notebook("sales.ipynb", "%load_ext jupyter_uml", short, long)
    for cell in (0, 1):
        notebook.run(cell)
    usage = section(lab, "usage")
    expect(usage.get_by_role("table", name="Tokens by key").get_by_role("rowheader")).to_have_count(3)
    running = section(lab, "running")
    notebook.begin(2)
    body = {"model": endless, "stream": True, "messages": [{"role": "user", "content": "Go on"}]}
    url = f"{lab.server.url}/v1/chat/completions"
    with httpx2.stream("POST", url, json=body, headers=report.headers, timeout=30, verify=TLS):
        expect(running.get_by_role("listitem")).to_have_count(2)
        expect(running.get_by_role("listitem").first).to_contain_text("tokens/s")
        pictures(lab, "sidebar-sections", usage)
        running.get_by_role("listitem").filter(has_text="sold best").get_by_role("button", name="Stop").click()
    notebook.finish()
    for key in keys:
        key.revoke()


def of_keys(route: Route, names: set[str]) -> dict[str, Any]:
    body: dict[str, Any] = route.fetch().json()
    return {**body, "usage": [row for row in body["usage"] if row["name"] in names]}


def test_usage_is_added_up_by_key_and_by_model(lab: Lab, stranger: TestKey) -> None:
    assert stranger.chat().status_code == 200
    usage = section(lab, "usage")
    table = usage.get_by_role("table", name="Tokens by key")
    expect(table.get_by_role("rowheader", name=HOSTILE).first).to_be_visible()
    expect(usage.get_by_role("table", name="Tokens by model").get_by_role("rowheader", name="demo")).to_be_visible()
    expect(usage.locator(".jp-uml-Usage-total")).to_contain_text("tokens in")
    for period in ("7 days", "30 days"):
        usage.get_by_role("radio", name=period).check()
        expect(table.get_by_role("rowheader", name=HOSTILE).first).to_be_visible()
    pictures(lab, "sidebar-usage", usage)
    lab.page.route("**/uml/usage?*", lambda route: route.fulfill(body='{"by": [], "usage": []}'))
    usage.get_by_role("radio", name="Today").check()
    expect(usage).to_contain_text("No requests today.")
    assert lab.page.evaluate("window.hurt") is None


def test_programs_are_copied_and_work(lab: Lab, tmp_path: Path) -> None:
    connect = section(lab, "connect")
    connect.get_by_role("combobox", name="Model").select_option("demo")
    programs = connect.get_by_role("combobox", name="Program")
    copied = {}
    for name in programs.locator("option").all_inner_texts():
        programs.select_option(label=name)
        connect.get_by_role("button", name=f"Copy the program, {name}").click()
        expect(connect).to_contain_text("Copied")
        copied[name] = lab.page.evaluate("navigator.clipboard.readText()")
        assert lab.server.url in copied[name]
        assert lab.server.token not in copied[name]
    pictures(lab, "sidebar-connect", connect)
    compile(copied["LangChain"], "langchain", "exec")
    environment = {**os.environ, "JUPYTER_UML_KEY": lab.server.token}
    commands = {
        "OpenAI, Python": [sys.executable, "-c", copied["OpenAI, Python"]],
        "jupyter_uml": [sys.executable, "-c", copied["jupyter_uml"]],
        **({"curl": ["bash", "-c", copied["curl"]]} if shutil.which("curl") else {}),
    }
    for name, command in commands.items():
        done = subprocess.run(
            command, check=False, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{name}: {done.stderr}"
        assert done.stdout.strip(), name


def test_the_way_to_the_docs_and_to_a_key(lab: Lab) -> None:
    connect = section(lab, "connect")
    with lab.page.context.expect_page() as opened:
        connect.get_by_role("link", name="API documentation").click()
    expect(opened.value.get_by_role("heading", level=1)).to_be_visible()
    opened.value.close()
    lab.page.bring_to_front()
    keys = lab.sidebar().root.locator("[data-uml-section=keys]")
    connect.get_by_role("button", name="make a key").click()
    expect(keys.locator("summary").first).to_be_focused()
    expect(keys.get_by_text("New key", exact=True)).to_be_visible()
    keys.get_by_role("button", name="Revoke kernels").click()
    dialog = lab.page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("notebooks and terminals")
    dialog.get_by_role("button", name="Cancel").click()
    assert any(row["name"] == "kernels" and row["state"] == "active" for row in lab.server.get("keys").json()["keys"])
    wait_until(lambda: lab.page.locator(".jp-Dialog").count() == 0)
