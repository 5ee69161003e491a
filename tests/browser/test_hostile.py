"""What a hostile model writes, and what a hostile file says of itself, in all places where JupyterLab shows it.

A canary is named by all of it; the browser may reach it, unlike other machines, and never does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.lab import Lab
from tests.browser.panels import Chat
from tests.browser.test_cells import EXTENSION
from tests.browser.test_cells import HARMFUL as ELEMENTS
from tests.reliability.canary import Canary, canary
from tests.reliability.hostile_text import END, hostile_text
from tests.reliability.parrot import parrot

OWN_FORMS = '.jp-uml-Form[aria-label="New key"], .jp-uml-Form[aria-label="Pull a model"]'  # of the sidebar
HARMFUL = ELEMENTS.replace("svg:not(", "svg:not([data-icon], [data-icon] *, ")  # JupyterLab's own
NAME = '<img src="{url}/file" onerror="document.title=\'harmed\'"><script>1</script>'


@pytest.fixture
def bird(lab: Lab) -> Iterator[Canary]:
    with canary() as server:
        yield server
        assert server.hits == []
    assert "harmed" not in lab.page.title()


@pytest.fixture
def text(lab: Lab, bird: Canary) -> str:
    """What the model `parrot` answers; `caller` calls a tool of a hostile name."""
    text = hostile_text(bird.url)
    parrot(lab.server.models / "parrot.gguf", text, name=NAME.replace("{url}", bird.url))
    call = {"name": NAME.replace("{url}", bird.url), "arguments": {"a": text}}
    parrot(lab.server.models / "caller.gguf", f"<tool_call>\n{json.dumps(call)}\n</tool_call>")
    return text


def check_harmless(shown: Locator) -> None:
    """It is text and links to other sites; hovering over any of it does nothing."""
    foreign = "(all, ours) => all.filter(one => !one.closest(ours)).map(one => one.outerHTML)"
    assert shown.locator(HARMFUL).evaluate_all(foreign, OWN_FORMS) == []
    styled = "all => all.filter(one => getComputedStyle(one).position === 'fixed').map(one => one.outerHTML)"
    assert shown.locator("*").evaluate_all(styled) == []
    links = shown.locator("a[href]").evaluate_all("all => all.map(one => [new URL(one.href).protocol, one.rel])")
    for protocol, relation in links:
        assert protocol in ("http:", "https:", "mailto:")
        assert "noopener" in relation.split()


@pytest.mark.usefixtures("text")
def test_a_cell(lab: Lab) -> None:
    notebook = lab.notebook("cell.ipynb", EXTENSION, "%%uml parrot\nHi", "%%uml caller\nHi")
    notebook.run_all()
    assert notebook.errors() == []
    for index in (1, 2):
        output = notebook.output(index)
        expect(output).to_contain_text(END)
        check_harmless(output)
    lab.picture("hostile-cell")


@pytest.mark.usefixtures("text")
def test_a_cell_that_is_opened_again_by_somebody_else(lab: Lab) -> None:
    """The answer is in the notebook's file, which JupyterLab does not trust then."""
    notebook = lab.notebook("mine.ipynb", EXTENSION, "%%uml parrot\nHi")
    notebook.run_all()
    lab.command("docmanager:save-all")
    path = lab.work / "mine.ipynb"
    notebook.until("!panel.context.model.dirty")
    (lab.work / "theirs.ipynb").write_bytes(path.read_bytes())
    output = lab.open("theirs.ipynb").output(1)
    expect(output).to_contain_text(END)
    check_harmless(output)


@pytest.mark.usefixtures("text")
def test_a_panel(lab: Lab) -> None:
    notebook = lab.notebook("panel.ipynb", "from jupyter_uml import ChatPanel\n\nChatPanel('parrot')")
    notebook.run(0)
    chat = Chat(notebook.output(0).locator(".uml-chat"))
    chat.ask("<img src=x onerror=alert(1)>")
    expect(chat.answers).to_contain_text(END)
    check_harmless(chat.root.locator(".uml-log"))


def test_the_sidebar(lab: Lab, bird: Canary, text: str, demo_bytes: bytes) -> None:
    """Names of files, what their metadata say, and why one cannot be loaded."""
    del text
    (lab.server.models / "<img src=x onerror=document.title='harmed'>.gguf").write_bytes(demo_bytes)
    harm = b"<img src=x onerror=document.title='harmed'>"
    (lab.server.models / "strange.gguf").write_bytes(_of_architecture(demo_bytes, harm))
    broken = f'<img src="{bird.url}/message" onerror="document.title=\'harmed\'">{END}'
    sidebar = lab.sidebar()
    expect(sidebar.button("parrot", "load")).to_be_visible()
    check_harmless(sidebar.root)
    error = {"error": {"message": broken, "type": broken, "param": broken, "code": "model_load_failed"}}
    lab.page.route("**/uml/load_model*", lambda route: route.fulfill(status=422, json=error))
    sidebar.button("parrot", "load").click()
    expect(sidebar.root).to_contain_text(END)
    check_harmless(sidebar.root)
    lab.picture("hostile-sidebar", sidebar.root)


def _of_architecture(content: bytes, name: bytes) -> bytes:
    """A model's file that says so of itself; what it says of its sizes is not found under this name."""
    key = b"general.architecture"
    start = content.index(key) + len(key) + 4
    length = int.from_bytes(content[start : start + 8], "little")
    return content[:start] + len(name).to_bytes(8, "little") + name + content[start + 8 + length :]


def test_the_panel_of_models(lab: Lab, demo_bytes: bytes) -> None:
    harm = b"<img src=x onerror=document.title='harmed'>"
    path: Path = lab.server.models / "strange.gguf"
    path.write_bytes(_of_architecture(demo_bytes, harm))
    notebook = lab.notebook(
        "models.ipynb", EXTENSION, "%uml models --all", "from jupyter_uml import ModelPanel\n\nModelPanel()"
    )
    notebook.run_all()
    check_harmless(notebook.output(1))
    assert notebook.output(2).locator("script, img, iframe, [onerror]").count() == 0
    assert "harmed" not in lab.page.title()
