"""Panels, sidebar and cells for people who do not see them, or see them badly: axe finds nothing, light or dark."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.browser import axe
from tests.browser.conftest import Jupyter
from tests.browser.notebook import Notebook
from tests.browser.panels import Chat

CELLS = (
    "from jupyter_uml import ChatPanel, ModelPanel\n%load_ext jupyter_uml",
    "ModelPanel()",
    "ChatPanel('demo')",
    "%%uml demo\nHow do I load a model?",
    "%uml models",
    "%uml load nothing",
)


def parts(notebook: Notebook) -> list[Locator]:
    """The outputs of all cells, after a conversation in the panel."""
    notebook.run_all()
    outputs = [notebook.output(index) for index in range(1, len(CELLS))]
    unfold(outputs[0])
    chat = Chat(outputs[1].locator(".uml-chat"))
    chat.ask("How do I load a model?")
    expect(chat.answers.locator(".uml-note")).to_contain_text("complete")
    return outputs


def unfold(part: Locator) -> Locator:
    """The same, with all that is folded in it opened."""
    folded = part.locator("details:not([open]) > summary:visible")
    while folded.count():
        folded.first.click()
    return part


def test_nothing_is_wrong_in_light_or_dark(jupyter: Jupyter) -> None:
    notebook = jupyter.notebook("accessible.ipynb", *CELLS)
    outputs = parts(notebook)
    sidebar = jupyter.sidebar()
    expect(sidebar.row("demo", "loaded")).to_be_visible()
    unfold(sidebar.root)
    status = jupyter.page.locator(".jp-uml-Status").all()  # Notebook 7 has no status bar
    jupyter.page.set_viewport_size({"width": 1400, "height": 2600})  # all at once
    wrong: list[str] = []
    for theme in jupyter.in_both_themes():
        jupyter.picture(f"accessible-{theme.lower()}")
        wrong += [f"{theme}: {violation}" for violation in axe.violations(sidebar.root, *status, *outputs)]
    assert not wrong, "\n".join(wrong)
