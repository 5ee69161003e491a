"""A notebook that is open in a page, and its kernel. The same in JupyterLab and in Notebook 7."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, Page

# Found by its path, since several notebooks may be open.
PANEL = "const panel = [...jupyterapp.shell.widgets('main')].find(w => w.context?.path === path);"
RUNS = "globalThis.umlRuns ??= new Map();"


class Notebook:
    """Its cells by their indexes."""

    def __init__(self, page: Page, path: str) -> None:
        self._page, self.path = page, path

    def until(self, condition: str, *args: Any, seconds: float = 30) -> None:
        """Wait for a JavaScript expression over `panel` and `args`."""
        script = f"([path, ...args]) => {{ {RUNS} {PANEL} return {condition}; }}"
        self._page.wait_for_function(script, arg=[self.path, *args], timeout=seconds * 1000)

    def until_idle(self) -> None:
        self.until("panel?.sessionContext.isReady && panel.sessionContext.session.kernel?.status === 'idle'")

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

    def save(self) -> None:
        self._evaluate("panel.context.save()")

    def interrupt(self) -> None:
        self._activate()
        self._evaluate("void jupyterapp.commands.execute('notebook:interrupt-kernel')")

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

    def sources(self) -> list[str]:
        """What stands in the cells now."""
        found: list[str] = self._evaluate("panel.content.widgets.map(cell => cell.model.sharedModel.getSource())")
        return found

    def edit(self, index: int, source: str) -> None:
        """Put other text into a cell."""
        self._evaluate("panel.content.widgets[args[0]].model.sharedModel.setSource(args[1])", index, source)

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
        return self._page.locator(f"[data-uml-cell='{self.path}:{index}'] .jp-OutputArea")

    def _activate(self) -> None:
        self._evaluate("jupyterapp.shell.activateById(panel.id)")
        self.until("jupyterapp.shell.currentWidget === panel")

    def _execute(self, command: str) -> None:
        self._activate()
        run = f"jupyterapp.commands.execute('{command}').catch(() => null).then(() => umlRuns.set(path, false))"
        self._evaluate(f"(umlRuns.set(path, true), void {run})")

    def _evaluate(self, expression: str, *args: Any) -> Any:
        script = f"async ([path, ...args]) => {{ {RUNS} {PANEL} return await ({expression}); }}"
        return self._page.evaluate(script, [self.path, *args])
