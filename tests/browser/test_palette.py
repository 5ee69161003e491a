"""Every command of the palette's category “Models”, and what comes of it."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.browser import axe
from tests.browser.conftest import Jupyter
from tests.browser.keyboard import Keyboard
from tests.browser.lab import Lab
from tests.browser.panels import Chat
from tests.browser.test_status_bar import answer
from tests.conftest import wait_until


def entry(lab: Lab, command: str) -> Locator:
    """A command in the palette, which is open."""
    return lab.page.locator(f".lm-CommandPalette-item[data-command='uml:{command}']")


def open_palette(lab: Lab, words: str) -> None:
    lab.page.keyboard.press("Control+Shift+c")
    lab.page.locator(".lm-CommandPalette-input:focus").fill(words)


def test_a_model_is_picked_to_be_loaded_and_unloaded(lab: Lab) -> None:
    keyboard = Keyboard(lab.page)
    dialog = lab.page.get_by_role("dialog")
    status = lab.page.locator("[data-uml-action=show-models]")
    expect(status).to_have_text("No model")
    keyboard.command("Load a model…")
    dialog.get_by_label("Model").select_option("demo")
    assert axe.violations(dialog.locator(".jp-uml-Choice")) == []
    keyboard.press("Enter")
    expect(lab.page.locator(".jp-uml-Sidebar [data-uml-model=demo][data-uml-state=loaded]")).to_be_visible()
    keyboard.command("Copy openai code…")
    dialog.get_by_role("button", name="Copy").click()
    expect(dialog).to_have_count(0)
    wait_until(lambda: 'model="demo"' in lab.page.evaluate("navigator.clipboard.readText()"))
    keyboard.command("Unload a model…")
    dialog.get_by_role("button", name="Unload").click()
    wait_until(lambda: lab.server.model()["state"] == "available")


def test_where_there_is_nothing_to_do_it_says_so(lab: Lab) -> None:
    keyboard = Keyboard(lab.page)
    dialog = lab.page.get_by_role("dialog")
    for words, said in (
        ("Unload a model…", "No model is loaded."),
        ("Unload all idle models", "No model is idle"),
        ("Unload all models…", "No model is loaded."),
        ("Stop all answers…", "Nothing is being answered."),
    ):
        keyboard.command(words)
        expect(dialog).to_contain_text(said)
        keyboard.press("Enter")
        expect(dialog).to_have_count(0)
    lab.command("uml:unload", {"model": "nobody"})
    expect(dialog).to_contain_text("No model is called nobody.")
    keyboard.press("Enter")
    lab.command("uml:unload", {"model": "demo"})
    expect(dialog).to_contain_text("demo is available.")


def test_how_it_looks(lab: Lab) -> None:
    for theme in lab.in_both_themes():
        open_palette(lab, "models")
        expect(entry(lab, "load")).to_be_visible()
        lab.picture(f"palette-{theme.lower()}", lab.page.locator(".jp-ModalCommandPalette"))
        Keyboard(lab.page).press("Escape")
        lab.command("uml:load")
        expect(lab.page.locator(".jp-Dialog select:focus")).to_be_visible()
        lab.picture(f"palette-load-{theme.lower()}", lab.page.locator(".jp-Dialog-content"))
        Keyboard(lab.page).press("Escape")


def test_a_shortcut_names_its_model(jupyter: Jupyter) -> None:
    """In Notebook 7 nobody listens to the server while the sidebar is hidden."""
    jupyter.notebook("here.ipynb", "")
    server, dialog = jupyter.server, jupyter.page.get_by_role("dialog")
    jupyter.command("uml:load", {"model": "demo"})
    wait_until(lambda: server.model()["state"] == "loaded")
    jupyter.command("uml:load", {"model": "demo"})  # it is already
    expect(dialog).to_contain_text("demo is loaded.")
    dialog.get_by_role("button", name="Ok").click()
    jupyter.command("uml:unload", {"model": "demo"})
    wait_until(lambda: server.model()["state"] == "available")
    jupyter.command("uml:unload-all")
    expect(dialog).to_contain_text("No model is loaded.")


def test_all_answers_stop_and_all_models_go(lab: Lab, endless: str) -> None:
    keyboard = Keyboard(lab.page)
    dialog = lab.page.get_by_role("dialog")
    lab.server.post("load_model", {"model": "demo"}).raise_for_status()
    answer(lab, endless)
    expect(lab.page.locator("[data-uml-action=show-models]")).to_contain_text("tokens/s")
    keyboard.command("Unload all idle models")
    wait_until(lambda: lab.server.model()["state"] == "available")
    assert lab.server.model(endless)["state"] == "loaded"
    keyboard.command("Stop all answers…")
    expect(dialog).to_contain_text("Stop 1 answer?")
    dialog.get_by_role("button", name="Stop").click()
    wait_until(lambda: lab.server.model(endless)["active"] == 0)
    keyboard.command("Unload all models…")
    expect(dialog).to_contain_text(endless)
    dialog.get_by_role("button", name="Unload").click()
    wait_until(lambda: lab.server.model(endless)["state"] == "available")
    assert lab.server.workers() == []


def test_the_sidebar_and_its_sections_are_shown(lab: Lab) -> None:
    keyboard = Keyboard(lab.page)
    sidebar = lab.page.locator(".jp-uml-Sidebar")
    for words, name, first in (
        ("Pull a model…", "pull", "input"),
        ("Make an API key…", "keys", "summary"),
        ("Show the usage", "usage", "summary"),
    ):
        keyboard.command(words)
        section = sidebar.locator(f"[data-uml-section={name}]")
        expect(section).to_have_attribute("open", "")
        expect(section.locator(f"{first}:focus")).to_have_count(1)
        lab.command("application:toggle-left-area")
        expect(sidebar).to_be_hidden()
    lab.command("uml:pull", {"model": "nobody/nothing"})
    expect(sidebar.locator("[data-uml-section=pull]")).to_contain_text("No such repository")
    keyboard.command("Show the models")
    with lab.page.expect_request("**/uml/models"):
        keyboard.command("Refresh the models")


def test_the_documentation_opens_in_a_tab_of_its_own(lab: Lab) -> None:
    with lab.page.context.expect_page() as opened:
        Keyboard(lab.page).command("Open the API’s documentation")
    expect(opened.value.get_by_role("heading", level=1)).to_be_visible()
    opened.value.close()


def test_the_launcher_has_a_card_for_a_chat(lab: Lab) -> None:
    launcher = lab.page.locator(".jp-Launcher")
    for theme in lab.in_both_themes():
        lab.picture(f"launcher-{theme.lower()}", launcher)
    launcher.get_by_text("Chat with a model").click()
    expect(lab.page.locator(".jp-Notebook .cm-content").first).to_contain_text("ChatPanel()")
    expect(launcher).to_have_count(0)  # the notebook has taken its place


def test_what_is_offered_first_does_no_harm(lab: Lab) -> None:
    open_palette(lab, "models")
    expect(lab.page.locator(".lm-CommandPalette-item.lm-mod-active")).to_contain_text("Show the models")


def test_a_new_notebook_has_a_chat(jupyter: Jupyter) -> None:
    jupyter.notebook("here.ipynb", "")
    jupyter.page.wait_for_function("jupyterapp.commands.hasCommand('uml:chat')")
    if isinstance(jupyter, Lab):
        Keyboard(jupyter.page).command("New chat in a notebook")
        jupyter.page.wait_for_function("jupyterapp.shell.currentWidget?.context?.path.startsWith('Untitled')")
        jupyter.page.wait_for_function("jupyterapp.shell.currentWidget.sessionContext.isReady")
        jupyter.command("notebook:run-all-cells")
        Chat(jupyter.page.locator(".uml-chat")).input.wait_for()
    else:
        with jupyter.page.context.expect_page() as opened:
            jupyter.command("uml:chat", {"model": "demo"})
        expect(opened.value.locator(".jp-Notebook .cm-content").first).to_contain_text('ChatPanel("demo")')
        opened.value.close()
