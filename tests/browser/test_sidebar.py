"""The sidebar: every button, the keyboard, and what others do to the models."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.lab import Lab
from tests.conftest import wait_until

SOON = 2_500  # milliseconds: it asks every two seconds, and the answer takes a moment
MODELS = re.compile(r"/uml/models(\?|$)")


def test_load_copy_and_unload(lab: Lab) -> None:
    sidebar = lab.sidebar()
    sidebar.button("demo", "load").click()
    with lab.held_worker():
        expect(sidebar.row("demo", "loading").get_by_role("progressbar")).to_be_visible()
    expect(sidebar.row("demo", "loaded")).to_contain_text("Memory")

    sidebar.button("demo", "copy").click()
    expect(sidebar.row("demo")).to_contain_text("Copied")
    code = lab.page.evaluate("navigator.clipboard.readText()")
    assert f'base_url="{lab.server.url}/v1"' in code
    assert lab.server.token not in code
    compile(code, "snippet", "exec")

    sidebar.button("demo", "unload").click()
    expect(sidebar.row("demo", "available")).to_be_visible()
    assert lab.server.workers() == []


def test_the_keyboard_alone_is_enough(lab: Lab) -> None:
    sidebar = lab.sidebar()
    expect(sidebar.button("demo", "load")).to_be_visible()
    expect(sidebar.root.locator(":focus")).to_have_attribute("data-uml-action", "refresh")
    for action in ("copy", "load"):
        lab.page.keyboard.press("Tab")
        expect(sidebar.root.locator(":focus")).to_have_attribute("data-uml-action", action)
    lab.page.keyboard.press("Enter")
    expect(sidebar.row("demo", "loaded")).to_be_visible()
    expect(sidebar.root.locator(":focus")).to_have_attribute("data-uml-action", "unload")
    lab.page.keyboard.press("Space")
    expect(sidebar.row("demo", "available")).to_be_visible()


def test_what_others_do_shows_within_two_seconds(lab: Lab, demo_bytes: bytes) -> None:
    sidebar = lab.sidebar()
    expect(sidebar.row("demo", "available")).to_be_visible()
    lab.server.post("load_model", {"model": "demo"})
    expect(sidebar.row("demo", "loaded")).to_be_visible(timeout=SOON)
    (lab.server.models / "second.gguf").write_bytes(demo_bytes)
    expect(sidebar.row("second", "available")).to_be_visible(timeout=2 * SOON)  # it is found and read first
    lab.server.post("unload_model", {"model": "demo"})
    expect(sidebar.row("demo", "available")).to_be_visible(timeout=SOON)


def test_a_model_that_fails_says_why_and_retry_works_once_its_file_is_good(
    lab: Lab, strange: Path, demo_bytes: bytes
) -> None:
    sidebar = lab.sidebar()
    sidebar.button("strange", "load").click()
    expect(sidebar.row("strange", "failed")).to_be_visible()
    expect(sidebar.message("strange")).to_contain_text("strange")
    assert str(strange.parent) not in sidebar.root.inner_text()
    lab.picture("sidebar-failed", sidebar.root)
    strange.write_bytes(demo_bytes)
    sidebar.button("strange", "retry").click()
    expect(sidebar.row("strange", "loaded")).to_be_visible()
    expect(sidebar.message("strange")).to_have_count(0)


def test_what_can_never_be_loaded_stands_folded_at_the_end_with_the_reason(
    lab: Lab, broken: Path, demo_bytes: bytes
) -> None:
    sidebar = lab.sidebar()
    folded = sidebar.root.locator(".jp-uml-Unloadable")
    expect(folded.locator("summary")).to_contain_text("1 file cannot be loaded")
    expect(sidebar.row("broken")).to_have_count(0)
    reason = folded.locator("[data-uml-unloadable=broken]")
    expect(reason).to_be_hidden()
    folded.locator("summary").click()
    expect(reason).to_contain_text("cut off")
    lab.picture("sidebar-unloadable", sidebar.root)
    broken.write_bytes(demo_bytes)
    expect(sidebar.row("broken", "available")).to_be_visible(timeout=2 * SOON)
    expect(folded).to_have_count(0)


def test_a_row_says_whether_it_fits_and_a_pin_keeps_it_loaded(lab: Lab) -> None:
    sidebar = lab.sidebar()
    expect(sidebar.row("demo").locator("[data-uml-fit=yes]")).to_contain_text("Fits: needs")
    expect(sidebar.button("demo", "pin")).to_have_count(0)  # there is nothing to keep yet
    sidebar.button("demo", "load").click()
    pin = sidebar.button("demo", "pin")
    expect(pin).to_have_attribute("aria-pressed", "false")
    pin.click()
    expect(pin).to_have_attribute("aria-pressed", "true")
    expect(sidebar.row("demo", "loaded")).to_contain_text("never: pinned")
    assert lab.server.model("demo")["pinned"] is True
    pin.click()
    expect(pin).to_have_attribute("aria-pressed", "false")
    assert lab.server.model("demo")["pinned"] is False


def test_a_model_whose_file_is_gone_says_so_until_the_message_is_dismissed(lab: Lab, demo_bytes: bytes) -> None:
    file = lab.server.models / "gone.gguf"
    file.write_bytes(demo_bytes)
    sidebar = lab.sidebar()
    expect(sidebar.button("gone", "load")).to_be_visible()
    before = json.dumps(lab.server.get("models").json())
    lab.page.route(MODELS, lambda route: route.fulfill(body=before, content_type="application/json"))
    file.unlink()
    wait_until(lambda: "gone" not in lab.server.get("models").text)
    sidebar.button("gone", "load").click()
    expect(sidebar.message("gone")).to_contain_text("No model is called 'gone'")
    lab.page.unroute(MODELS)
    expect(sidebar.row("gone")).to_have_count(0)
    left = sidebar.root.locator(".jp-uml-Notice")
    expect(left).to_contain_text("No model is called 'gone'")
    left.locator("[data-uml-action=dismiss]").click()
    expect(left).to_have_count(0)


def test_unload_waits_for_an_answer_and_can_be_forced(lab: Lab, endless: str) -> None:
    notebook = lab.notebook("long.ipynb", "%load_ext jupyter_uml", f"%%uml {endless}\nGo on and on")
    notebook.run(0)
    sidebar = lab.sidebar()
    notebook.begin(1)
    expect(sidebar.row(endless, "loaded")).to_contain_text("1 answer")
    sidebar.button(endless, "unload").click()
    expect(sidebar.row(endless, "unloading")).to_contain_text("Waits for 1 answer to end.")
    sidebar.button(endless, "force-unload").click()
    expect(sidebar.row(endless, "available")).to_be_visible()
    expect(sidebar.message(endless)).to_have_count(0)
    notebook.finish()
    assert "was unloaded" in notebook.error_line(1)
