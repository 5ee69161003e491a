"""What the status bar says of the models, while the sidebar is hidden."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.browser import axe
from tests.browser.conftest import settings_file
from tests.browser.jupyter_page import SOON
from tests.browser.lab import Lab
from tests.conftest import endless_model, wait_until


def item(lab: Lab) -> Locator:
    return lab.page.locator("#jp-main-statusbar [data-uml-action=show-models]")


def answer(lab: Lab, model: str) -> None:
    """Let it answer, for longer than the test takes."""
    lab.page.evaluate(
        """([base, token, model]) => void fetch(base + 'uml/v1/chat/completions', {
            method: 'POST', headers: {Authorization: `Bearer ${token}`}, body: JSON.stringify(
                {model, stream: true, max_tokens: 8000, messages: [{role: 'user', content: 'Go on and on'}]})})""",
        [lab.server.root, lab.server.token, model],
    )


def test_it_tells_what_is_loaded_and_a_press_shows_the_sidebar(lab: Lab) -> None:
    status = item(lab)
    expect(status).to_have_text("No model")
    lab.server.post("load_model", {"model": "demo", "wait": False})
    with lab.held_worker():
        expect(status).to_have_text(re.compile(r"Loading demo( \d+\s%)?"))
    expect(status).to_have_text("demo", timeout=SOON)
    expect(status).to_have_attribute("title", re.compile(r"demo · .*MiB\nMemory: .* free of .*", re.DOTALL))
    sidebar = lab.page.locator(".jp-uml-Sidebar")
    expect(sidebar).to_be_hidden()
    status.focus()
    lab.page.keyboard.press("Enter")
    expect(sidebar).to_be_visible()
    expect(sidebar.locator(":focus")).to_have_count(1)
    lab.server.post("unload_model", {"model": "demo"})
    expect(status).to_have_text("No model", timeout=SOON)


def test_it_tells_the_speed_while_a_model_answers_in_both_themes(lab: Lab, endless: str) -> None:
    answer(lab, endless)
    status = item(lab)
    expect(status).to_have_text(re.compile(rf"{endless} · [\d.,]+\stokens/s"))
    expect(status).to_have_attribute("title", re.compile(r"tokens/s\nMemory"))
    for theme in lab.in_both_themes():
        assert axe.violations(status) == []
        lab.picture(f"status-bar-{theme.lower()}", lab.page.locator("#jp-main-statusbar"))


def test_a_long_name_leaves_room_for_the_speed(lab: Lab) -> None:
    name = "Some-Model-with-a-very-long-name-for-status-bars-Q4_K_M"
    (lab.server.models / f"{name}.gguf").write_bytes(endless_model())
    lab.server.post("load_model", {"model": name, "n_ctx": 8192}).raise_for_status()
    answer(lab, name)
    speed = item(lab).locator("span", has_text="tokens/s").last
    expect(speed).to_have_text(re.compile(r"^ ?· [\d.,]+\stokens/s$"))
    shown, whole = speed.bounding_box(), item(lab).bounding_box()
    assert shown is not None
    assert whole is not None
    assert shown["x"] + shown["width"] <= whole["x"] + whole["width"]


def test_the_settings_editor_hides_it_and_unfolds_sections(lab: Lab) -> None:
    """By hand, as a person does."""
    status = item(lab)
    expect(status).to_have_text("No model")
    lab.command("settingeditor:open", {"query": "Models"})
    editor = lab.page.locator(".jp-SettingsPanel")
    editor.get_by_text("Ask before unloading a model that answers").wait_for()
    for theme in lab.in_both_themes():
        lab.picture(f"settings-{theme.lower()}", lab.page.locator("#jp-main-dock-panel"))
    editor.get_by_label("Show in the status bar").uncheck()
    expect(status).to_be_hidden()
    editor.get_by_label("Show in the status bar").check()
    expect(status).to_be_visible()
    lab.server.post("load_model", {"model": "demo"})
    expect(status).to_have_text("demo", timeout=SOON)  # it listens again
    editor.get_by_label("Usage").check()
    wait_until(lambda: '"usage": true' in saved(lab))
    lab.reload()
    sidebar = lab.sidebar()
    expect(sidebar.root.locator("[data-uml-section=usage]")).to_have_attribute("open", "")
    expect(sidebar.root.locator("[data-uml-section=keys]")).not_to_have_attribute("open", "")


def test_without_a_wish_to_ask_a_model_that_answers_is_unloaded_at_once(lab: Lab, endless: str) -> None:
    answer(lab, endless)
    expect(item(lab)).to_contain_text("tokens/s")
    dialog = lab.page.get_by_role("dialog")
    lab.command("uml:unload", {"model": endless})
    expect(dialog).to_contain_text("1 answer under way")
    dialog.get_by_role("button", name="Cancel").click()
    assert lab.server.model(endless)["state"] == "loaded"
    lab.command("settingeditor:open", {"query": "Models"})
    lab.page.get_by_label("Ask before unloading a model that answers").uncheck()
    wait_until(lambda: '"confirmUnload": false' in saved(lab))
    lab.command("uml:stop-all", {"confirm": False})
    wait_until(lambda: lab.server.model(endless)["active"] == 0)
    answer(lab, endless)
    wait_until(lambda: lab.server.model(endless)["active"] == 1)
    lab.command("uml:unload", {"model": endless})
    wait_until(lambda: lab.server.model(endless)["state"] == "unloading")
    expect(dialog).to_have_count(0)


def saved(lab: Lab) -> str:
    path = settings_file(lab.server.models.parent, "jupyter-uml/sidebar")
    return path.read_text() if path.exists() else ""
