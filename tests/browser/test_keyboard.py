"""Without a mouse: a model is loaded, asked, stopped and unloaded, in JupyterLab and in Notebook 7."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Jupyter
from tests.browser.keyboard import Keyboard
from tests.browser.panels import Chat, Models, Sidebar
from tests.conftest import endless_model, wait_until

PANELS = "from jupyter_uml import ChatPanel, ModelPanel\n\nModelPanel()"


def test_in_the_sidebar(jupyter: Jupyter) -> None:
    jupyter.notebook("empty.ipynb", "")
    keyboard = Keyboard(jupyter.page)
    keyboard.press("Escape")
    keyboard.command("Show the models")
    sidebar = Sidebar(jupyter.page.locator(".jp-uml-Sidebar"))
    keyboard.use(sidebar.button("demo", "load"))
    expect(sidebar.row("demo", "loaded")).to_be_visible()
    keyboard.use(sidebar.button("demo", "unload"), "Space")
    expect(sidebar.row("demo", "available")).to_be_visible()


def test_in_the_panels(jupyter: Jupyter) -> None:
    (jupyter.server.models / "endless.gguf").write_bytes(endless_model())
    jupyter.notebook("panels.ipynb", PANELS, "ChatPanel('endless')", "")
    keyboard = Keyboard(jupyter.page)
    keyboard.go_to(jupyter.page.locator(".jp-Notebook"))
    keyboard.press("Escape", "Control+Home", "Shift+Enter", "Shift+Enter")
    models, chat = Models(jupyter.page.locator(".uml-models")), Chat(jupyter.page.locator(".uml-chat"))
    chat.input.wait_for()

    keyboard.press("ArrowUp", "ArrowUp")  # back to the panel's cell
    keyboard.go_to(models.choice)
    keyboard.type("endless")
    keyboard.use(models.load)
    expect(models.status).to_contain_text("loaded")
    keyboard.go_to(chat.input)
    keyboard.type("Go on and on")
    keyboard.press("Enter")
    expect(chat.live).not_to_be_empty()
    keyboard.use(chat.stop)
    expect(chat.answers.locator(".uml-note")).to_contain_text("stopped")
    wait_until(lambda: jupyter.server.model("endless")["active"] == 0, 1.0)
    keyboard.go_to(models.unload, "Shift+Tab")
    keyboard.press("Space")
    expect(models.status).to_contain_text("available")
    wait_until(lambda: jupyter.server.workers() == [])
