"""The quickstart notebook, as a person runs it the first time."""

from __future__ import annotations

import shutil
import time
from functools import partial
from pathlib import Path

import nbformat
from playwright.sync_api import Route, expect

from tests.browser.lab import Lab
from tests.browser.panels import Chat, Models, Sidebar

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "01-quickstart.ipynb"
CELLS = [cell.source for cell in nbformat.read(QUICKSTART, as_version=4).cells]
# The plots show how it went on: a single sample is a line between two points.
DRAWN = """() => [...document.querySelectorAll('.jp-uml-Plot')].every(
    plot => [...plot.querySelectorAll('polyline')].some(line => line.points.numberOfItems > 2))"""


def since(start: float, route: Route) -> None:
    body = route.fetch().json()
    route.fulfill(json={**body, "samples": [sample for sample in body["samples"] if sample["time"] > start]})


def cell_with(text: str) -> int:
    return next(index for index, source in enumerate(CELLS) if text in source and not source.startswith("#"))


def test_the_quickstart_runs_to_its_end_and_its_panels_answer_in_light_and_dark(lab: Lab) -> None:
    lab.page.route("**/uml/models/demo/history*", partial(since, time.time()))  # the plots show this test alone
    shutil.copy(QUICKSTART, lab.work)
    notebook = lab.open(QUICKSTART.name)
    lab.command("application:close-other-tabs")
    notebook.run_all(seconds=60)
    assert notebook.errors() == []
    lab.page.locator(".jp-uml-Status").get_by_role("button", name="demo").click()
    sidebar = Sidebar(lab.page.locator(".jp-uml-Sidebar"))
    expect(sidebar.row("demo", "loaded")).to_be_visible()
    lab.page.wait_for_function(DRAWN)

    question = cell_with("%%uml")
    answer = notebook.output(question)
    expect(answer.locator("p").first).not_to_be_empty()
    expect(answer).to_contain_text("tokens/s")
    expect(answer).to_contain_text("complete")
    models = Models(notebook.output(cell_with("ModelPanel()")).locator(".uml-models"))
    expect(models.status).to_contain_text("loaded")
    chat = Chat(notebook.output(cell_with("ChatPanel()")).locator(".uml-chat"))
    for count, text in enumerate(("What does the sidebar show?", "Can I use it with openai?"), start=1):
        chat.ask(text)
        expect(chat.answers.locator(".uml-note")).to_contain_text(["complete"] * count)

    expect(models.status).not_to_contain_text("under way")
    for theme, name in (("Light", ""), ("Dark", "-dark")):
        lab.theme(f"JupyterLab {theme}")
        lab.page.set_viewport_size({"width": 1400, "height": 870})
        notebook.show(question - 1)
        lab.picture(f"quickstart{name}")
        lab.page.set_viewport_size({"width": 1400, "height": 1000})  # both panels at once
        notebook.show(cell_with("ModelPanel()"))
        lab.picture(f"panels{name}", models.root, chat.root)
