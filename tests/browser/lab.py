"""JupyterLab as the tests see it: a page in which several notebooks may be open."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from tests.browser.jupyter_page import JupyterPage
from tests.browser.notebook import Notebook
from tests.browser.panels import Sidebar
from tests.conftest import Server

AT_LAUNCHER = "document.activeElement.closest('.jp-Launcher') !== null"
# What a test opened is closed without a question whether to save it; the launcher stays, or opens by itself.
CLOSE_DOCUMENTS = """() => {
    const all = [...jupyterapp.shell.widgets('main')];
    all.filter(widget => widget.context).forEach(widget => widget.dispose());
    const launcher = all.find(widget => widget.id.startsWith('launcher'));
    if (launcher) jupyterapp.shell.activateById(launcher.id);
    (globalThis.umlRuns ?? new Map()).clear();
}"""


class Lab(JupyterPage):
    """One page with JupyterLab in it."""

    def __init__(self, page: Page, server: Server, results: Path) -> None:
        super().__init__(page, server, results)
        self.fresh = True  # nothing was done in it but opening notebooks, so that the next test may have it

    @property
    def is_fresh(self) -> bool:
        return self.loaded and self.fresh and self._page.locator(".jp-Dialog").count() == 0

    @property
    def page(self) -> Page:
        """Whoever takes it may do anything with it."""
        self.fresh = False
        return self._page

    def load(self) -> None:
        self._goto("lab?reset")
        self._page.locator("#jupyterlab-splash").wait_for(state="detached")
        # The last thing that happens by itself: the launcher opens and takes the focus.
        self._page.wait_for_function(AT_LAUNCHER)
        self.loaded = True

    def reload(self) -> None:
        """The workspace, which remembers what is open, is saved a moment after each change."""
        self.fresh = False
        self._page.reload()
        self._until_restored()
        self._page.locator("#jupyterlab-splash").wait_for(state="detached")

    def close_documents(self) -> None:
        """Leave the page as it was when it had been loaded."""
        self._page.evaluate(CLOSE_DOCUMENTS)
        self._page.wait_for_function(AT_LAUNCHER)
        self.console.clear()

    def close_tab(self) -> None:
        """Close it, whatever goes on there, and open JupyterLab in a new one."""
        self.fresh = False
        self._page.close()
        self._page = self._page.context.new_page()
        self._listen()
        self.load()

    def open(self, path: str) -> Notebook:
        self.command("docmanager:open", {"path": path})
        notebook = Notebook(self._page, path)
        notebook.until_idle()
        return notebook

    def open_busy(self, path: str) -> Notebook:
        """Open a notebook whose kernel is at work; on return it is connected to it."""
        self.command("docmanager:open", {"path": path})
        notebook = Notebook(self._page, path)
        notebook.until("panel?.sessionContext.isReady && panel.sessionContext.session.kernel !== null")
        return notebook

    def sidebar(self) -> Sidebar:
        self.fresh = False
        return super().sidebar()

    def theme(self, name: str) -> None:
        self.fresh = False
        super().theme(name)
