"""Answers that their notebook loses sight of: the whole of each is there on return, token for token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.browser.lab import Lab
from tests.browser.notebook import Notebook
from tests.browser.panels import Chat
from tests.conftest import Server, wait_until

QUESTION = "Go on and on"
TOKENS = 400
CELL = f"%%uml endless --max-tokens {TOKENS} --temperature 0 --seed 1 --deterministic\n{QUESTION}"


@pytest.fixture
def notebook(lab: Lab, endless: str) -> Notebook:
    notebook = lab.notebook("long.ipynb", "%load_ext jupyter_uml", CELL)
    notebook.run(0)
    return notebook


@contextmanager
def half_written(lab: Lab, notebook: Notebook) -> Iterator[None]:
    """The answer is held in its middle for the block, and goes on after it."""
    notebook.begin(1)
    expect(notebook.output(1).locator("p").first).not_to_be_empty()
    (worker,) = lab.server.workers()
    worker.suspend()
    try:
        yield
    finally:
        worker.resume()


def record(notebook: Notebook) -> dict[str, str]:
    found = [output.get("metadata", {}).get("jupyter_uml", {}) for output in notebook.outputs(1)]
    return next((entry for entry in found if entry), {})


def text(notebook: Notebook) -> str:
    (output,) = notebook.outputs(1)
    return str(output["data"]["text/plain"])


def until_whole(notebook: Notebook) -> str:
    wait_until(lambda: record(notebook).get("state") == "done", 60)
    return text(notebook)


def expected(server: Server) -> str:
    """The same answer, asked for by somebody whom nothing happens to."""
    asked = {"max_tokens": TOKENS, "temperature": 0, "seed": 1, "deterministic": True}
    messages = [{"role": "user", "content": QUESTION}]
    answer = server.post("v1/chat/completions", {"model": "endless", "messages": messages, **asked}).raise_for_status()
    return str(answer.json()["choices"][0]["message"]["content"])


def test_a_tab_is_closed_and_its_notebook_was_never_saved(lab: Lab, notebook: Notebook) -> None:
    with half_written(lab, notebook):
        lab.close_tab()
        notebook = lab.open_busy("long.ipynb")
        wait_until(lambda: record(notebook).get("state") == "running")
        began = text(notebook)
        assert began
    whole = until_whole(notebook)
    assert whole.startswith(began)
    assert whole == expected(lab.server)
    lab.picture("answer-after-closed-tab")


def test_a_kernel_is_restarted(lab: Lab, notebook: Notebook) -> None:
    with half_written(lab, notebook):
        notebook.restart()
    assert until_whole(notebook) == expected(lab.server)
    assert [output["output_type"] for output in notebook.outputs(1)] == ["display_data"]


def test_the_socket_between_page_and_kernel_is_cut(lab: Lab, notebook: Notebook) -> None:
    with half_written(lab, notebook):
        notebook.cut()
    notebook.finish(60)
    assert until_whole(notebook) == expected(lab.server)


def test_what_was_cleared_does_not_come_back(lab: Lab, notebook: Notebook) -> None:
    notebook.run(1)
    assert record(notebook)["state"] == "done"
    notebook.clear(1)
    lab.load()
    notebook = lab.open("long.ipynb")
    with lab.page.expect_response(lambda response: "/uml/generations?" in response.url):
        notebook.restart()
    assert notebook.outputs(1) == []


def test_a_panel_that_is_made_again_goes_on_with_its_conversation(lab: Lab, endless: str) -> None:
    notebook = lab.notebook("panel.ipynb", f"from jupyter_uml import ChatPanel\n\nChatPanel({endless!r})")
    notebook.run(0)
    chat = Chat(notebook.output(0).locator(".uml-chat"))
    chat.ask(QUESTION)
    expect(chat.live).not_to_be_empty()
    (worker,) = lab.server.workers()
    worker.suspend()
    try:
        notebook.restart()
        notebook.run(0)
        chat = Chat(notebook.output(0).locator(".uml-chat"))
        expect(chat.questions).to_have_text([QUESTION])
        expect(chat.live).not_to_be_empty()
    finally:
        worker.resume()
    chat.stop.click()
    expect(chat.notes).to_contain_text("stopped")
    kept = f"generations?kernel={notebook.kernel()}"
    (row,) = lab.server.get(kept).json()["generations"]
    assert row["state"] == "stopped"
    whole = lab.server.get(f"generations/{row['id']}/output").json()["data"]["text/plain"]
    shown = chat.bodies.inner_text()
    assert "".join(whole.split()).startswith("".join(shown.split()))  # the engine may have been a token ahead
    chat.clear.click()
    wait_until(lambda: lab.server.get(kept).json()["generations"] == [])
