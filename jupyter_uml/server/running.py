"""`GET running`: requests that are being answered; `DELETE running/{id}` ends one.

Everybody sees and stops what he asked himself. Administrators see and stop all, of the models that they may use, but do
not see what others have asked.
"""

from __future__ import annotations

from jupyter_uml.live import View
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.owners import owners


class _RunningHandler(UmlHandler):
    scope = "infer"

    async def view(self) -> View:
        return View(self.principal, frozenset(await owners(self)))


class RunningHandler(_RunningHandler):
    async def get(self) -> None:
        view = await self.view()
        self.write_json({"running": list(view.running(self.gate.running))})


class RunHandler(_RunningHandler):
    async def delete(self, run_id: str) -> None:
        view = await self.view()
        async with self.audited("answer.stop", run_id):
            run = self.gate.running.get(run_id, view.may_stop)
            await run.stop()
        self.write_json(view.row(run))


RUNNING_ROUTES: list[tuple[str, type[UmlHandler]]] = [
    ("running", RunningHandler),
    (r"running/([A-Za-z0-9_-]{1,64})", RunHandler),
]
