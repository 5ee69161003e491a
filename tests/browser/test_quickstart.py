"""The quickstart notebook, as a person runs it the first time."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
from playwright.sync_api import expect

from tests.browser.lab import Lab
from tests.browser.panels import Chat, Models

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "01-quickstart.ipynb"
CELLS = [cell.source for cell in nbformat.read(QUICKSTART, as_version=4).cells]


def cell_with(text: str) -> int:
    return next(index for index, source in enumerate(CELLS) if text in source and not source.startswith("#"))


def test_the_quickstart_runs_to_its_end_and_its_panels_answer_in_light_and_dark(lab: Lab) -> None:
    shutil.copy(QUICKSTART, lab.work)
    notebook = lab.open(QUICKSTART.name)
    lab.command("application:close-other-tabs")
    sidebar = lab.sidebar()
    notebook.run_all(seconds=60)
    assert notebook.errors() == []
    expect(sidebar.row("demo", "loaded")).to_be_visible()

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
