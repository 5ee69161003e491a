"""The panel that loads and unloads."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.lab import Lab
from tests.browser.panels import Models
from tests.conftest import wait_until

CELL = "from jupyter_uml import ModelPanel\n\nModelPanel()"


def open_models(lab: Lab) -> Models:
    notebook = lab.notebook("models.ipynb", CELL)
    notebook.run(0)
    models = Models(notebook.output(0).locator(".uml-models"))
    expect(models.status).to_contain_text("available")
    return models


def test_load_shows_progress_then_figures_and_unload_gives_the_memory_back(lab: Lab) -> None:
    models = open_models(lab)
    expect(models.unload).to_be_disabled()
    models.load.click()
    with lab.held_worker():
        expect(models.progress).to_contain_text("Loading demo")
        expect(models.load).to_be_disabled()
    expect(models.status).to_contain_text(re.compile(r"loaded · context \d+ tokens .* MiB"))
    expect(models.progress).to_be_hidden()
    assert lab.server.model("demo")["state"] == "loaded"
    lab.picture("model-panel", models.root)
    models.unload.click()
    expect(models.status).to_contain_text("available")
    assert lab.server.model("demo")["state"] == "available"
    assert lab.server.workers() == []


def test_refresh_finds_a_new_file_and_one_that_fails_is_refused_in_one_line(lab: Lab, demo_bytes: bytes) -> None:
    models = open_models(lab)
    (lab.server.models / "strange.gguf").write_bytes(demo_bytes.replace(b"llama", b"lxama"))
    wait_until(lambda: "strange" in lab.server.get("models").text)
    models.refresh.click()
    option = models.choice.locator("option", has_text="strange")
    models.choice.select_option(option.text_content())
    models.load.click()
    expect(models.error).to_contain_text("strange")
    assert "\n" not in models.error.inner_text().strip()
    expect(models.status).to_contain_text("failed")
    expect(models.load).to_be_enabled()


def test_whether_it_fits_is_said_while_the_settings_are_typed(lab: Lab) -> None:
    models = open_models(lab)
    expect(models.fit).to_contain_text("Fits: needs")
    models.root.get_by_text("Options").click()
    models.root.get_by_label("Context").fill("999999")
    expect(models.fit).to_contain_text("999999")
    lab.picture("model-panel-fit", models.root)
    models.root.get_by_label("Context").fill("512")
    expect(models.fit).to_contain_text("context 512 tokens")
