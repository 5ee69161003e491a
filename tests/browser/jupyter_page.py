"""What a page of JupyterLab and one of Notebook 7 have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import nbformat
import psutil
from playwright.sync_api import FloatRect, Locator, Page, Request

from tests.browser.notebook import Notebook
from tests.browser.panels import Sidebar
from tests.conftest import Server, wait_until

MARGIN = 6  # pixels around what a picture shows
# Milliseconds, in which what is done elsewhere shows where other tests keep the cores busy. That a model's state takes
# less than one second is found by test_live_tabs.py, which runs alone; all the rest is told in the same way.
SOON = 3_000
Theme = Literal["Light", "Dark"]
THEMES: tuple[Theme, ...] = ("Light", "Dark")


class JupyterPage(ABC):
    """A page, what it said on its console, and whom else it asked."""

    def __init__(self, page: Page, server: Server, results: Path) -> None:
        self.server, self.results = server, results
        self.loaded = False
        self.console: list[str] = []
        self.foreign: list[str] = []
        self._page = page
        self._listen()

    @property
    def page(self) -> Page:
        return self._page

    @property
    def work(self) -> Path:
        """The folder that Jupyter shows."""
        return self.server.models.parent / "work"

    def command(self, name: str, args: dict[str, Any] | None = None) -> None:
        """Begin a command; many end only when a dialog or a cell does, so nothing waits for it."""
        self._page.evaluate("([name, args]) => void jupyterapp.commands.execute(name, args)", [name, args or {}])

    @abstractmethod
    def open(self, path: str) -> Notebook:
        """Open a notebook; on return its kernel is idle."""

    @abstractmethod
    def reload(self) -> None:
        """As a person does, who sees the same notebooks again."""

    def notebook(self, name: str, *cells: str) -> Notebook:
        """Write a notebook of code cells and open it."""
        self.write(name, *cells)
        return self.open(name)

    def write(self, name: str, *cells: str) -> None:
        """A notebook of code cells."""
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, self.work / name)

    def sidebar(self) -> Sidebar:
        self.command("uml:show")
        root = self._page.locator(".jp-uml-Sidebar")
        root.wait_for()
        return Sidebar(root)

    @contextmanager
    def held_worker(self) -> Iterator[None]:
        """Stop the worker that is just being started, so that its model goes on loading until the end of the block."""
        worker = wait_until(self.server.workers)[0]
        worker.suspend()
        try:
            yield
        finally:
            with suppress(psutil.NoSuchProcess):  # it may be ended meanwhile
                worker.resume()

    def theme(self, name: str) -> None:
        self.command("apputils:change-theme", {"theme": name})
        self._page.locator(f"body[data-jp-theme-name='{name}']").wait_for(state="attached")
        self._page.locator("#jupyterlab-splash").wait_for(state="detached")  # it hides the change

    def in_both_themes(self) -> Iterator[Theme]:
        """Light, then dark."""
        for theme in THEMES:
            self.theme(f"JupyterLab {theme}")
            yield theme

    def picture(self, name: str, *of: Locator) -> None:
        """Keep a screenshot for whoever looks, of the page or of some elements; `make pictures` takes some of them."""
        folder = self.results / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        self._page.mouse.move(0, 0)  # nothing is hovered over
        clip = _around([element.bounding_box() for element in of]) if of else None
        self._page.screenshot(path=folder / f"{name}.png", clip=clip, animations="disabled", caret="hide")

    def _goto(self, path: str) -> None:
        """Open an address of Jupyter's; on return its plugins are active."""
        self._page.goto(f"{self.server.root}{path}{'&' if '?' in path else '?'}token={self.server.token}")
        self._until_restored()

    def _until_restored(self) -> None:
        self._page.wait_for_function("globalThis.jupyterapp?.restored.then(() => true)", timeout=60_000)

    def _listen(self) -> None:
        self._page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        self._page.on("pageerror", lambda error: self.console.append(f"uncaught: {error}"))
        self._page.on("request", self._on_request)

    def _on_request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in ("data", "blob") and url.netloc != urlsplit(self.server.root).netloc:
            self.foreign.append(request.url)


def _around(boxes: list[FloatRect | None]) -> FloatRect:
    """The rectangle that holds all of them, with a margin."""
    seen = [box for box in boxes if box is not None]
    left, top = min(box["x"] for box in seen) - MARGIN, min(box["y"] for box in seen) - MARGIN
    right, bottom = max(b["x"] + b["width"] for b in seen) + MARGIN, max(b["y"] + b["height"] for b in seen) + MARGIN
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}
