"""The native routes."""

from __future__ import annotations

from dataclasses import asdict

from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.native_types import LoadModelRequest, UnloadModelRequest


class HealthHandler(UmlHandler):
    scope = "models:read"

    async def get(self) -> None:
        health = await self.service.health()
        health["loaded"] = [model for model in health["loaded"] if self.principal.may_use(model)]
        self.write_json(health)


class ModelsHandler(UmlHandler):
    scope = "models:read"

    async def get(self) -> None:
        refresh = self.get_query_argument("refresh", "") == "1"
        models = self.gate.visible(self.principal, await self.service.models(refresh))
        self.write_json({"models": [asdict(status) for status in models]})


class ModelHandler(UmlHandler):
    scope = "models:read"

    async def get(self, model_id: str) -> None:
        await self.check_model(model_id)
        self.write_json(await self.service.model(model_id))


class _LoadHandler(UmlHandler):
    async def check_models(self, body: LoadModelRequest) -> None:
        """
        Raises:
            PermissionDenied, ModelNotFound: it names one that the principal may not use.
        """
        for name in body.models:
            await self.check_model(name)


class LoadModelHandler(_LoadHandler):
    scope = "models:admin"

    async def post(self) -> None:
        body = self.parse(LoadModelRequest)
        async with self.audited("model.load", body.model):
            await self.check_models(body)
            status = await self.service.load(
                body.model, body.settings(), wait=body.wait, hold=self.hold(body.keep_alive), pin=body.pin
            )
        done = status.state == "loaded" and (body.wait or status.progress is None)  # else it is loaded anew
        self.write_json(status, 200 if done else 202)


class EstimateHandler(_LoadHandler):
    """Takes what `load_model` takes; what says nothing about memory makes no difference here."""

    scope = "models:read"

    async def post(self) -> None:
        body = self.parse(LoadModelRequest)
        await self.check_models(body)
        self.write_json(await self.service.estimate(body.model, body.settings()))


class UnloadModelHandler(UmlHandler):
    scope = "models:admin"

    async def post(self) -> None:
        body = self.parse(UnloadModelRequest)
        async with self.audited("model.unload", body.model, force=body.force):
            await self.check_model(body.model)
            status = await self.service.unload(body.model, force=body.force)
        self.write_json(status)
