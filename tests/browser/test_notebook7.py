"""Notebook 7: what JupyterLab has is there too, and a page that is loaded again shows what it showed."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Jupyter
from tests.browser.notebook import Notebook
from tests.browser.notebook7 import Notebook7
from tests.browser.panels import Chat, Models, Sidebar

QUESTION = "How do I load a model?"
CELLS = (
    "from jupyter_uml import ChatPanel, ModelPanel\n%load_ext jupyter_uml",
    "ModelPanel()",
    "ChatPanel('demo')",
    f"%%uml demo\n{QUESTION}",
)


def models_and_chat(notebook: Notebook) -> tuple[Models, Chat]:
    models = Models(notebook.output(1).locator(".uml-models"))
    return models, Chat(notebook.output(2).locator(".uml-chat"))


def test_from_the_list_of_files_to_an_answer(notebook7: Notebook7) -> None:
    notebook7.write("first.ipynb", *CELLS)
    notebook7.tree()
    page = notebook7.page
    page.get_by_role("menuitem", name="View").click()
    page.get_by_text("Left Sidebar").hover()
    page.get_by_role("menuitemcheckbox", name="Models").or_(page.get_by_role("menuitem", name="Models")).click()
    sidebar = Sidebar(page.locator(".jp-uml-Sidebar"))
    sidebar.button("demo", "load").click()
    expect(sidebar.row("demo", "loaded")).to_be_visible()
    with page.expect_popup() as opened:
        page.locator(".jp-DirListing-item", has_text="first.ipynb").dblclick()
    tab = opened.value
    tab.wait_for_function("globalThis.jupyterapp?.restored.then(() => true)")
    notebook = Notebook(tab, "first.ipynb")
    notebook.until_idle()
    notebook.run_all()
    assert notebook.errors() == []
    expect(notebook.output(3)).to_contain_text("complete")
    tab.close()


def test_panels_and_answers_of_a_notebook(notebook7: Notebook7) -> None:
    notebook = notebook7.notebook("panels.ipynb", *CELLS)
    notebook.run_all()
    assert notebook.errors() == []
    models, chat = models_and_chat(notebook)
    expect(models.status).to_contain_text("loaded")
    chat.ask(QUESTION)
    expect(chat.answers.locator(".uml-note")).to_contain_text("complete")
    sidebar = notebook7.sidebar()
    expect(sidebar.row("demo", "loaded")).to_be_visible()
    for theme in notebook7.in_both_themes():
        notebook.show(1)
        notebook7.picture(f"notebook7-{theme.lower()}")


def test_a_page_that_is_loaded_again_shows_its_panels_again(jupyter: Jupyter) -> None:
    notebook = jupyter.notebook("again.ipynb", *CELLS)
    notebook.run_all()
    _, chat = models_and_chat(notebook)
    chat.ask(QUESTION)
    expect(chat.answers.locator(".uml-note")).to_contain_text("complete")
    answer = chat.answers.locator(".uml-body").inner_text()
    cell = notebook.output(3).inner_text()
    notebook.save()
    jupyter.reload()
    notebook = jupyter.open("again.ipynb")
    models, chat = models_and_chat(notebook)
    expect(models.status).to_contain_text("loaded")
    expect(chat.questions).to_have_text([QUESTION])
    expect(chat.answers.locator(".uml-body")).to_have_text(answer)
    assert notebook.output(3).inner_text() == cell
    models.unload.click()
    expect(models.status).to_contain_text("available")
    chat.ask("Can I use it with openai?")
    expect(chat.answers.locator(".uml-note")).to_contain_text(["complete", "complete"])
