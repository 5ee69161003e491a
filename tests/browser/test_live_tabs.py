"""What is done to a model shows in every open tab within a second: in another tab, by a magic, through the API."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.lab import Lab
from tests.browser.notebook7 import Notebook7
from tests.browser.panels import Chat, Models
from tests.conftest import wait_until

SECOND = 1_000


def test_all_tabs_show_what_is_done_anywhere(lab: Lab, notebook7: Notebook7) -> None:
    notebook = lab.notebook(
        "live.ipynb", "from jupyter_uml import ModelPanel\n\nModelPanel()", "%load_ext jupyter_uml", "%uml unload demo"
    )
    notebook.run(0)
    notebook.run(1)
    panel = Models(notebook.output(0).locator(".uml-models"))
    other = notebook7.notebook("other.ipynb", "from jupyter_uml import ChatPanel\n\nChatPanel('demo')")
    other.run(0)
    chat = Chat(other.output(0).locator(".uml-chat"))
    chat.button("settings").click()
    status = lab.page.locator("[data-uml-action=show-models]")
    here, there = lab.sidebar(), notebook7.sidebar()

    def all_show(state: str) -> None:
        wait_until(lambda: lab.server.model()["state"] == state)
        for sidebar in (here, there):
            expect(sidebar.row("demo", state)).to_be_visible(timeout=SECOND)
        expect(panel.status).to_contain_text(state, timeout=SECOND)
        is_up, choices = state == "loaded", expect(chat.setting("model"))
        (choices.to_contain_text if is_up else choices.not_to_contain_text)("· loaded", timeout=SECOND)
        expect(status).to_have_text("demo" if is_up else "No model", timeout=SECOND)

    all_show("available")
    there.button("demo", "load").click()
    all_show("loaded")
    notebook.run(2)
    all_show("available")
    lab.server.post("load_model", {"model": "demo"})
    all_show("loaded")
    panel.unload.click()
    all_show("available")
