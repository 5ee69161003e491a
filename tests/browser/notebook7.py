"""Notebook 7 as the tests see it: one page for each notebook, and one for the list of files."""

from __future__ import annotations

from tests.browser.jupyter_page import JupyterPage
from tests.browser.notebook import Notebook


class Notebook7(JupyterPage):
    """One page of Notebook 7, which shows one notebook, or the list of files."""

    def open(self, path: str) -> Notebook:
        self._goto(f"notebooks/{path}")
        self.loaded = True
        notebook = Notebook(self._page, path)
        notebook.until_idle()
        return notebook

    def reload(self) -> None:
        self._page.reload()
        self._until_restored()

    def tree(self) -> None:
        """The list of files, which is where a person begins."""
        self._goto("tree")
        self.loaded = True
