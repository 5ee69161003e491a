"""JupyterLab as the tests see it: a page, its notebooks, their cells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
from playwright.sync_api import FloatRect, Locator, Page, Request

from tests.browser.panels import Sidebar
from tests.conftest import Server, wait_until

# Found by its path, since several notebooks may be open.
PANEL = "const panel = [...jupyterapp.shell.widgets('main')].find(w => w.context?.path === path);"
MARGIN = 6  # pixels around what a picture shows
RUNS = "globalThis.umlRuns ??= new Map();"


class Lab:
    """One page with JupyterLab in it."""

    def __init__(self, page: Page, server: Server, results: Path) -> None:
        self.page, self.server, self.results = page, server, results
        self.loaded = False
        self.console: list[str] = []
        self.foreign: list[str] = []
        self._listen()

    @property
    def work(self) -> Path:
        """The folder that JupyterLab shows."""
        return self.server.models.parent / "work"

    def load(self) -> None:
        self.page.goto(f"{self.server.root}lab?reset&token={self.server.token}")
        self.page.wait_for_function("globalThis.jupyterapp?.restored.then(() => true)", timeout=60_000)
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")
        # The last thing that happens by itself: the launcher opens and takes the focus.
        self.page.wait_for_function("document.activeElement.closest('.jp-Launcher') !== null")
        self.loaded = True

    def close_tab(self) -> None:
        """Close it, whatever goes on there, and open JupyterLab in a new one."""
        self.page.close()
        self.page = self.page.context.new_page()
        self._listen()
        self.load()

    def command(self, name: str, args: dict[str, Any] | None = None) -> None:
        """Begin a command; many end only when a dialog or a cell does, so nothing waits for it."""
        self.page.evaluate("([name, args]) => void jupyterapp.commands.execute(name, args)", [name, args or {}])

    def notebook(self, name: str, *cells: str) -> Notebook:
        """Write a notebook of code cells and open it."""
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, self.work / name)
        return self.open(name)

    def open(self, path: str) -> Notebook:
        """Open a notebook; on return its kernel is idle."""
        self.command("docmanager:open", {"path": path})
        notebook = Notebook(self, path)
        notebook.until("panel?.sessionContext.isReady && panel.sessionContext.session.kernel.status === 'idle'")
        return notebook

    def open_busy(self, path: str) -> Notebook:
        """Open a notebook whose kernel is at work; on return it is connected to it."""
        self.command("docmanager:open", {"path": path})
        notebook = Notebook(self, path)
        notebook.until("panel?.sessionContext.isReady && panel.sessionContext.session.kernel !== null")
        return notebook

    def sidebar(self) -> Sidebar:
        self.command("uml:show")
        root = self.page.locator(".jp-uml-Sidebar")
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
            worker.resume()

    def theme(self, name: str) -> None:
        self.command("apputils:change-theme", {"theme": name})
        self.page.locator(f"body[data-jp-theme-name='{name}']").wait_for(state="attached")

    def picture(self, name: str, *of: Locator) -> None:
        """Keep a screenshot for whoever looks, of the page or of some elements; `make pictures` takes some of them."""
        folder = self.results / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        self.page.mouse.move(0, 0)  # nothing is hovered over
        clip = _around([element.bounding_box() for element in of]) if of else None
        self.page.screenshot(path=folder / f"{name}.png", clip=clip, animations="disabled", caret="hide")

    def _listen(self) -> None:
        self.page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.console.append(f"uncaught: {error}"))
        self.page.on("request", self._on_request)

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


class Notebook:
    """A notebook that is open in the page, and its kernel."""

    def __init__(self, lab: Lab, path: str) -> None:
        self._lab, self.path = lab, path

    def until(self, condition: str, *args: Any, seconds: float = 30) -> None:
        """Wait for a JavaScript expression over `panel` and `args`."""
        script = f"([path, ...args]) => {{ {RUNS} {PANEL} return {condition}; }}"
        self._lab.page.wait_for_function(script, arg=[self.path, *args], timeout=seconds * 1000)

    def run(self, index: int) -> None:
        """Run a cell to its end."""
        self.begin(index)
        self.finish()

    def run_all(self, seconds: float = 60) -> None:
        self._execute("notebook:run-all-cells")
        self.finish(seconds)

    def begin(self, index: int) -> None:
        self.show(index)
        self._execute("notebook:run-cell")

    def finish(self, seconds: float = 30) -> None:
        """Wait for what `begin` began."""
        self.until("umlRuns.get(path) === false", seconds=seconds)

    def interrupt(self) -> None:
        self._activate()
        self._lab.command("notebook:interrupt-kernel")

    def restart(self) -> None:
        """Restart the kernel, whatever it does; on return it is there again."""
        self._evaluate("panel.sessionContext.restartKernel()")
        self.until("panel.sessionContext.session.kernel.status === 'idle'")

    def cut(self) -> None:
        """End the page's connection to the kernel; on return there is a new one."""
        self._evaluate(
            "new Promise(resolve => {"
            "  const kernel = panel.sessionContext.session.kernel;"
            "  kernel.connectionStatusChanged.connect((_, status) => status === 'connected' && resolve(true));"
            "  kernel._ws.close();"
            "})"
        )

    def clear(self, index: int) -> None:
        """Clear a cell's output."""
        self._evaluate("panel.content.widgets[args[0]].model.outputs.clear()", index)

    def kernel(self) -> str:
        """Its id, while it is alive."""
        kernel: str = self._evaluate("panel.sessionContext.session.kernel.id")
        return kernel

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """A cell's outputs in the notebook format."""
        found: list[dict[str, Any]] = self._evaluate("panel.content.widgets[args[0]].model.outputs.toJSON()", index)
        return found

    def errors(self) -> list[str]:
        """What the cells failed with."""
        script = "panel.content.widgets.flatMap(cell => cell.model.outputs?.toJSON() ?? [])"
        found = self._evaluate(script)
        return ["\n".join(output["traceback"]) for output in found if output["output_type"] == "error"]

    def error_line(self, index: int) -> str:
        """The one line by which a cell failed, as the page shows it."""
        last = self.outputs(index)[-1]
        assert last["output_type"] == "error", last
        shown = self.output(index).locator("[data-mime-type='application/vnd.jupyter.stderr']").inner_text().strip()
        assert shown.startswith("jupyter_uml: "), shown
        assert "\n" not in shown, shown
        assert shown == re.sub(r"\x1b\[[0-9;]*m", "", last["traceback"][0])
        return shown.removeprefix("jupyter_uml: ")

    def show(self, index: int) -> None:
        """Make a cell the active one, and scroll to it."""
        self._activate()
        script = "(panel.content.activeCellIndex = args[0], panel.content.scrollToItem(args[0], 'start'))"
        self._evaluate(script, index)

    def output(self, index: int) -> Locator:
        """The output area of a cell."""
        self.show(index)
        self._evaluate("panel.content.widgets[args[0]].node.setAttribute('data-uml-cell', `${path}:${args[0]}`)", index)
        return self._lab.page.locator(f"[data-uml-cell='{self.path}:{index}'] .jp-OutputArea")

    def _activate(self) -> None:
        self._evaluate("jupyterapp.shell.activateById(panel.id)")
        self.until("jupyterapp.shell.currentWidget === panel")

    def _execute(self, command: str) -> None:
        self._activate()
        run = f"jupyterapp.commands.execute('{command}').catch(() => null).then(() => umlRuns.set(path, false))"
        self._evaluate(f"(umlRuns.set(path, true), void {run})")

    def _evaluate(self, expression: str, *args: Any) -> Any:
        script = f"async ([path, ...args]) => {{ {RUNS} {PANEL} return await ({expression}); }}"
        return self._lab.page.evaluate(script, [self.path, *args])
