"""`GET models/{id}/history`: a model's figures over the last hour."""

from __future__ import annotations

from dataclasses import asdict

from jupyter_uml.server.base import UmlHandler


class HistoryHandler(UmlHandler):
    scope = "models:read"

    async def get(self, model_id: str) -> None:
        await self.check_model(model_id)
        samples = await self.service.history(model_id)
        self.write_json({"model": model_id, "samples": [asdict(sample) for sample in samples]})
