"""Models from Python: which there are, which of them are loaded, how large and how fast they are."""

from __future__ import annotations

from typing import Any

from jupyter_uml.client.arguments import KeepAlive, to_hold, to_settings
from jupyter_uml.client.calls import AsyncCalls, Calls, share_docstrings
from jupyter_uml.client.health import Health
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import MemoryEstimate, ModelStatus, Sample, Speed

DEMO = "demo"
MAX_NAMES = 8  # in an error


class AsyncModels(AsyncCalls):
    """A part of the client."""

    async def health(self) -> Health:
        """Whether the server is well, which models are loaded, and how much memory there is."""
        return await self._call(lambda transport: transport.health())

    async def models(self, refresh: bool = False) -> list[ModelStatus]:
        """All models there are, loaded or not; also the ones that are of no use, with the reason. `refresh`: looks at
        the disks first; otherwise a file that was put there is found within two seconds."""
        return await self._call(lambda transport: transport.models(refresh))

    async def model(self, model: str) -> ModelStatus:
        """One of them, by its id or another of its names."""
        return await self._call(lambda transport: transport.model(model))

    async def history(self, model: str) -> list[Sample]:
        """Figures of the model's worker over the last hour, oldest first: memory, tokens a second, requests."""
        return await self._call(lambda transport: transport.history(model))

    async def measure(self, model: str) -> Speed:
        """How fast a model computes on this machine; it is loaded for that, and the next load uses what was found.

        Takes some 5 s beside the load, and waits for answers under way.
        """
        return await self._call(lambda transport: transport.measure(model))

    async def estimate(self, model: str, **settings: Any) -> MemoryEstimate:
        """Whether the model would fit into memory now, and how; nothing is loaded. `settings`: as for `load`."""
        asked = to_settings(settings)
        return await self._call(lambda transport: transport.estimate(model, asked))

    async def load(
        self,
        model: str,
        *,
        wait: bool = True,
        pin: bool | None = None,
        keep_alive: KeepAlive | None = None,
        timeout: float | None = None,
        **settings: Any,
    ) -> ModelStatus:
        """Loads a model, or returns at once when it is loaded. `settings` are the fields of `LoadSettings`.

        `pin`: whether it stays loaded whatever happens; None leaves that as it is. `keep_alive`: how long it stays
        loaded when nobody asks, in seconds or as "10m"; -1 is for ever, None as the server is configured. `timeout`:
        seconds that this call may take; the load itself goes on.
        """
        asked, hold = to_settings(settings), to_hold(keep_alive)
        status = await self._call(lambda transport: transport.load(model, asked, wait, hold, pin), timeout)
        self._last_used = model
        return status

    async def unload(self, model: str, force: bool = False) -> ModelStatus:
        """Gives the model's memory back, after the answers under way, or with `force` at once."""
        if self._last_used == model:
            self._last_used = None
        return await self._call(lambda transport: transport.unload(model, force))

    async def default_model(self) -> str:
        """The model that is used where none is named: the one last used, else one that is loaded, else the demo model,
        else the only one there is."""
        rows = [row for row in await self.models() if row.reason is None]
        names = {name: row for row in rows for name in (*row.aliases, row.id)}
        last = names.get(self._last_used or "")
        if last is not None and last.state != "failed":
            return last.id
        ready = [row.id for row in rows if row.state in ("loaded", "restarting", "loading", "queued")]
        if ready:
            return ready[0]
        if DEMO in names:
            return DEMO
        if len(rows) == 1:
            return rows[0].id
        raise InvalidRequest(_say_which([row.id for row in rows]), param="model")


class Models(Calls):
    """The same for synchronous code."""

    aio: AsyncModels

    def health(self) -> Health:
        return self.background.run(self.aio.health())

    def models(self, refresh: bool = False) -> list[ModelStatus]:
        return self.background.run(self.aio.models(refresh))

    def model(self, model: str) -> ModelStatus:
        return self.background.run(self.aio.model(model))

    def history(self, model: str) -> list[Sample]:
        return self.background.run(self.aio.history(model))

    def measure(self, model: str) -> Speed:
        return self.background.run(self.aio.measure(model))

    def estimate(self, model: str, **settings: Any) -> MemoryEstimate:
        return self.background.run(self.aio.estimate(model, **settings))

    def load(
        self,
        model: str,
        *,
        wait: bool = True,
        pin: bool | None = None,
        keep_alive: KeepAlive | None = None,
        timeout: float | None = None,
        **settings: Any,
    ) -> ModelStatus:
        asked: dict[str, Any] = {"wait": wait, "pin": pin, "keep_alive": keep_alive, "timeout": timeout}
        return self.background.run(self.aio.load(model, **asked, **settings))

    def unload(self, model: str, force: bool = False) -> ModelStatus:
        return self.background.run(self.aio.unload(model, force))

    def default_model(self) -> str:
        return self.background.run(self.aio.default_model())


def _say_which(names: list[str]) -> str:
    """No model is the obvious one."""
    if not names:
        return "No model was found that can be loaded. Pull one from the hub, or put a GGUF file into a model folder."
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"None of the {len(names)} models is loaded. Say which one: {', '.join(names[:MAX_NAMES])}{more}."


share_docstrings(Models, AsyncModels)
