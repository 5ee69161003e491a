"""`POST bench_model`: how fast a model computes on this machine."""

from __future__ import annotations

from jupyter_uml.protocol.body import ModelId, StrictBody
from jupyter_uml.server.base import UmlHandler


class BenchModelRequest(StrictBody):
    model: ModelId


class BenchModelHandler(UmlHandler):
    """Loads the model where it is not loaded. Hanging up ends the measurement."""

    scope = "models:admin"

    async def post(self) -> None:
        body = self.parse(BenchModelRequest)
        await self.while_connected(self._measure(body.model))

    async def _measure(self, model: str) -> None:
        async with self.audited("model.bench", model):
            await self.check_model(model)
            speed = await self.service.measure(model)
        self.write_json(speed)
