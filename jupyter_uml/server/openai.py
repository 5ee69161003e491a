"""OpenAI's list of models. Its other routes are endpoints."""

from __future__ import annotations

import time

from jupyter_uml.protocol.openai.model_list import model_card, models_body
from jupyter_uml.server.base import UmlHandler

_STARTED = int(time.time())


class ModelListHandler(UmlHandler):
    scope = "models:read"

    async def get(self) -> None:
        self.write_json(models_body(self.gate.visible(self.principal, await self.service.models()), _STARTED))


class ModelCardHandler(UmlHandler):
    scope = "models:read"

    async def get(self, model_id: str) -> None:
        await self.check_model(model_id)
        self.write_json(model_card(await self.service.model(model_id), _STARTED))
