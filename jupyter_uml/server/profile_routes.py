"""Profiles: `GET profiles` lists them, `PUT profiles/{name}` writes one, `DELETE profiles/{name}` deletes it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from jupyter_uml.errors import PermissionDenied
from jupyter_uml.loader.catalog.setting_fields import SAMPLING, json_schema
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.native_types import SettingsBody
from jupyter_uml.types import ModelProfile

_SAMPLING = {
    "type": "object",
    "properties": {name: json_schema(field) for name, field in SAMPLING.items()},
    "additionalProperties": False,
}
Alias = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/-]{1,100}$")]


class ProfileRequest(SettingsBody):
    """What stands in the file of a profile. `sampling`: for requests that say nothing about it themselves."""

    description: Annotated[str, Field(max_length=1000)] | None = None
    aliases: Annotated[list[Alias], Field(max_length=16)] | None = None
    system_prompt: Annotated[str, Field(max_length=1 << 20)] | None = None
    sampling: Annotated[dict[str, Any], WithJsonSchema(_SAMPLING)] | None = None
    pin: bool | None = None

    def table(self) -> dict[str, Any]:
        """Without what is empty, which asks for nothing."""
        given = self.model_dump(exclude_none=True)
        return {name: value for name, value in given.items() if value not in ("", [], {})}


class _ProfileHandler(UmlHandler):
    async def visible(self) -> list[ModelProfile]:
        """Those of models that the principal may use."""
        ids = {row.id for row in self.gate.visible(self.principal, await self.service.models())}
        return [profile for profile in await self.service.profiles() if profile.id in ids]


class ProfilesHandler(_ProfileHandler):
    scope = "models:read"

    async def get(self) -> None:
        self.write_json({"profiles": [profile.to_row() for profile in await self.visible()]})


class ProfileHandler(_ProfileHandler):
    scope = "models:admin"

    async def put(self, name: str) -> None:
        body = self.parse(ProfileRequest)
        async with self.audited("profile.save", name, model=body.model):
            is_new = not await self._is_there(name)
            for model in body.models:
                await self.check_model(model)
            saved = await self.service.save_profile(name, body.table())
        self.write_json(saved.to_row(), HTTPStatus.CREATED if is_new else HTTPStatus.OK)

    async def delete(self, name: str) -> None:
        async with self.audited("profile.delete", name):
            await self._is_there(name)
            deleted = await self.service.delete_profile(name)
        self.write_json(deleted.to_row())

    async def _is_there(self, name: str) -> bool:
        """
        Raises:
            PermissionDenied: it is there, and of a model that the principal may not use.
        """
        there = any(profile.name == name for profile in await self.service.profiles())
        if there and not any(profile.name == name for profile in await self.visible()):
            raise PermissionDenied("This key may not use this profile's model.", param="name")
        return there


PROFILE_ROUTES: list[tuple[str, type[UmlHandler]]] = [
    ("profiles", ProfilesHandler),
    (r"profiles/([^/]+)", ProfileHandler),
]
