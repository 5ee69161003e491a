"""The native routes."""

from __future__ import annotations

from dataclasses import asdict

from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.native_types import LoadModelRequest, UnloadModelRequest


class HealthHandler(UmlHandler):
    scope = "models:read"

    async def get(self) -> None:
        self.write_json(await self.service.health())


class ModelsHandler(UmlHandler):
    scope = "models:read"

    async def get(self) -> None:
        self.write_json({"models": [asdict(status) for status in await self.service.models()]})


class ModelHandler(UmlHandler):
    scope = "models:read"

    async def get(self, model_id: str) -> None:
        self.write_json(await self.service.model(model_id))


class LoadModelHandler(UmlHandler):
    scope = "models:admin"

    async def post(self) -> None:
        body = self.parse(LoadModelRequest)
        status = await self.service.load(
            body.model, body.settings(), wait=body.wait, hold=self.hold(body.keep_alive), pin=body.pin
        )
        done = status.state == "loaded" and (body.wait or status.progress is None)  # else it is loaded anew
        self.write_json(status, 200 if done else 202)


class EstimateHandler(UmlHandler):
    """Takes what `load_model` takes; what says nothing about memory makes no difference here."""

    scope = "models:read"

    async def post(self) -> None:
        body = self.parse(LoadModelRequest)
        self.write_json(await self.service.estimate(body.model, body.settings()))


class UnloadModelHandler(UmlHandler):
    scope = "models:admin"

    async def post(self) -> None:
        body = self.parse(UnloadModelRequest)
        self.write_json(await self.service.unload(body.model, force=body.force))
