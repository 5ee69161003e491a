"""The sidebar: every button, the keyboard, and what others do to the models.

The files of other models are longer than the demo model's: a copy of one that is in use becomes one row with it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Locator, Route, expect

from tests.browser import axe
from tests.browser.jupyter_page import SOON
from tests.browser.lab import Lab
from tests.browser.panels import Sidebar
from tests.conftest import wait_until

FOUND = 10_000  # a new file is found and read first; samples are taken every two seconds
EVENTS = re.compile(r"/uml/events$")
WEIGHTS = re.compile("Memory: Weights")
WIDTHS = (220, 300, 450)  # pixels
ARROW = 32  # pixels of a select that are not for its text
CUT = """(rows, arrow) => [...rows.querySelectorAll('select')].flatMap(select => {
    const context = document.createElement('canvas').getContext('2d');
    context.font = getComputedStyle(select).font;
    const texts = [...select.options].map(option => option.text);
    return texts.filter(text => context.measureText(text).width > select.clientWidth - arrow);
})"""
WIDEN = "width => jupyterapp.shell._hsplitPanel.setRelativeSizes([width, document.body.clientWidth - width])"
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
    for action in ("copy", "options", "load"):
        lab.page.keyboard.press("Tab")
        expect(sidebar.root.locator(":focus")).to_have_attribute("data-uml-action", action)
    lab.page.keyboard.press("Enter")
    expect(sidebar.row("demo", "loaded")).to_be_visible()
    expect(sidebar.root.locator(":focus")).to_have_attribute("data-uml-action", "unload")
    lab.page.keyboard.press("Space")
    expect(sidebar.row("demo", "available")).to_be_visible()


def test_a_load_is_called_off(lab: Lab) -> None:
    sidebar = lab.sidebar()
    sidebar.button("demo", "load").click()
    with lab.held_worker():
        row = sidebar.row("demo", "loading")
        expect(row).to_contain_text(re.compile(r"Loading \d+\s%"))
        lab.picture("sidebar-loading", row)
        assert axe.violations(row) == []
        sidebar.button("demo", "cancel").click()
        expect(sidebar.row("demo", "available")).to_be_visible()
    expect(sidebar.message("demo")).to_have_count(0)
    wait_until(lambda: lab.server.workers() == [])


def test_the_options_are_chosen_by_keyboard_and_the_bar_follows(lab: Lab) -> None:
    sidebar = lab.sidebar()
    options = opened(sidebar)
    slider, number = options.get_by_role("slider"), options.locator("[data-uml-action=set-context]")
    bar = options.get_by_role("img", name=WEIGHTS)
    expect(options.locator("[data-uml-fit=yes]")).to_contain_text("Fits: needs")
    longest = bar.get_attribute("aria-label") or ""
    slider.focus()
    lab.page.keyboard.press("Home")
    expect(number).to_have_value("256")
    expect(slider).to_have_attribute("aria-valuetext", "256 tokens")
    expect(bar).not_to_have_attribute("aria-label", longest)
    shortest = bar.get_attribute("aria-label") or ""
    lab.page.keyboard.press("End")
    expect(bar).not_to_have_attribute("aria-label", shortest)
    lab.page.keyboard.press("ArrowLeft")
    chosen = int(number.input_value())
    assert chosen % 256 == 0
    options.locator("[data-uml-action=set-parallel]").fill("99")
    expect(options.get_by_role("alert")).to_have_text("A whole number from 1 to 64")
    for action, text in (("set-parallel", "2"), ("set-context", "1024")):
        options.locator(f"[data-uml-action={action}]").fill(text)
    expect(options.get_by_role("alert")).to_have_count(0)
    options.locator("[data-uml-action=set-kv-type]").select_option("q8_0")
    options.locator("[data-uml-action=set-keep-alive]").select_option("7200")
    sidebar.button("demo", "load").click()
    expect(sidebar.row("demo", "loaded")).to_contain_text("1,024")
    row = lab.server.model("demo")
    assert (row["settings"]["n_ctx"], row["settings"]["n_parallel"]) == (1024, 2)
    assert row["settings"]["kv_type"] == "q8_0"
    assert row["expires_in"] > 7000


def test_a_loaded_model_is_loaded_anew_with_other_settings(lab: Lab) -> None:
    sidebar = lab.sidebar()
    sidebar.button("demo", "load").click()
    expect(sidebar.row("demo", "loaded")).to_be_visible()
    options = opened(sidebar)
    reload = options.locator("[data-uml-action=reload]")
    expect(options.get_by_role("img", name=WEIGHTS)).to_be_visible()
    expect(reload).to_have_count(0)  # it runs so already
    options.locator("[data-uml-action=set-context]").fill("512")
    options.locator("[data-uml-action=auto-context]").click()
    expect(reload).to_have_count(0)
    options.locator("[data-uml-action=set-parallel]").fill("3")
    reload.click()
    wait_until(lambda: (lab.server.model("demo")["settings"] or {}).get("n_parallel") == 3)
    expect(reload).to_have_count(0)
    options.locator("[data-uml-action=set-keep-alive]").select_option("-1")
    expect(reload).to_have_text("Apply")
    reload.click()
    wait_until(lambda: lab.server.model("demo")["expires_in"] is None)
    expect(reload).to_have_count(0)
    options.locator("[data-uml-action=reset-options]").click()
    expect(options.locator("[data-uml-action=set-parallel]")).to_have_value("")


def test_a_context_that_does_not_fit_is_marked_and_the_longest_that_does_is_offered(lab: Lab) -> None:
    sidebar = lab.sidebar()
    lab.page.route("**/uml/estimate*", scarce)
    options = opened(sidebar)
    options.get_by_role("slider").press("ArrowLeft")
    expect(options.locator("[data-uml-action=set-context]")).to_have_value("768")
    expect(options.locator("[data-uml-fit=no]")).to_contain_text("Too little memory")
    expect(options.locator("[data-uml-over]")).to_be_visible()
    for theme in lab.in_both_themes():
        lab.picture(f"sidebar-too-long-{theme.lower()}", sidebar.row("demo"))
        assert axe.violations(sidebar.row("demo")) == []
    options.locator("[data-uml-action=set-gpu-layers]").fill("3")
    options.locator("[data-uml-action=largest]").click()
    expect(options.locator("[data-uml-action=set-context]")).to_have_value("512")


def scarce(route: Route) -> None:
    """As a machine would answer that has a GPU and hardly any memory left."""
    body = route.fetch().json()
    for part in body["parts"] + body["wished_parts"]:
        part["gpu"] = part["ram"] // 2
    narrow = {"fits": False, "as_wished": False, "verdict": "too little memory", "available_bytes": 1 << 20}
    route.fulfill(json={**body, **narrow, "largest_context": 512})


def test_figures_are_drawn_over_time_and_said_in_words(lab: Lab) -> None:
    lab.server.post("load_model", {"model": "demo"})
    sidebar = lab.sidebar()
    row = sidebar.row("demo", "loaded")
    memory = row.get_by_role("img", name=re.compile(r"Memory of demo: now .* highest .* over the last .*minute"))
    expect(memory.locator("polyline").first).to_be_attached(timeout=FOUND)
    lab.server.post("v1/completions", {"model": "demo", "prompt": "Once", "max_tokens": 40})
    expect(row.get_by_role("img", name=re.compile(r"Speed of demo: .* highest [1-9].* tokens.s"))).to_be_visible(
        timeout=FOUND
    )


def test_rows_are_sound_in_both_themes_narrow_and_wide(lab: Lab, endless: str) -> None:
    lab.server.post("load_model", {"model": "demo"})
    sidebar = lab.sidebar()
    expect(sidebar.row("demo", "loaded").locator(".jp-uml-Plot:has(polyline)")).to_have_count(2, timeout=FOUND)
    for model in ("demo", endless):
        opened(sidebar, model)
        expect(sidebar.row(model).get_by_role("img", name=WEIGHTS)).to_be_visible()
    rows = sidebar.root.locator(".jp-uml-List").first
    for theme in lab.in_both_themes():
        for width in WIDTHS:
            lab.page.evaluate(WIDEN, width)
            lab.picture(f"sidebar-rows-{theme.lower()}-{width}", sidebar.root)
            assert axe.violations(rows) == []
            assert rows.evaluate(CUT, ARROW) == []
            assert sidebar.root.evaluate("node => node.scrollWidth <= node.clientWidth")


def opened(sidebar: Sidebar, model: str = "demo") -> Locator:
    """The options of a model, unfolded."""
    sidebar.button(model, "options").click()
    return sidebar.row(model).get_by_role("group", name=f"Options of {model}")


def test_what_others_do_shows_within_a_second(lab: Lab, demo_bytes: bytes) -> None:
    sidebar = lab.sidebar()
    expect(sidebar.row("demo", "available")).to_be_visible()
    lab.server.post("load_model", {"model": "demo"})
    expect(sidebar.row("demo", "loaded")).to_be_visible(timeout=SOON)
    (lab.server.models / "second.gguf").write_bytes(demo_bytes + bytes(1))
    expect(sidebar.row("second", "available")).to_be_visible(timeout=FOUND)
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
    strange.write_bytes(demo_bytes + bytes(2))
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
    broken.write_bytes(demo_bytes + bytes(3))
    expect(sidebar.row("broken", "available")).to_be_visible(timeout=FOUND)
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
    file.write_bytes(demo_bytes + bytes(4))
    lab.page.route_web_socket(EVENTS, lambda socket: socket.close())  # as a proxy would
    lab.reload()
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
    dialog = lab.page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("1 answer under way")
    dialog.get_by_role("button", name="Unload").click()
    expect(sidebar.row(endless, "unloading")).to_contain_text("Waits for 1 answer to end.")
    sidebar.button(endless, "force-unload").click()
    expect(sidebar.row(endless, "available")).to_be_visible()
    expect(sidebar.message(endless)).to_have_count(0)
    notebook.finish()
    assert "was unloaded" in notebook.error_line(1)
