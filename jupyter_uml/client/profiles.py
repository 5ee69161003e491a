"""Profiles from Python: models with settings of their own, under a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_uml.client.arguments import KeepAlive, to_hold, to_settings
from jupyter_uml.client.calls import AsyncCalls, Calls, share_docstrings
from jupyter_uml.types import ModelProfile


class AsyncProfiles(AsyncCalls):
    """A part of the client."""

    async def profiles(self) -> list[ModelProfile]:
        """Those that were saved, or written by hand; also the ones that are of no use, with the reason."""
        return await self._call(lambda transport: transport.profiles())

    async def save_profile(
        self,
        name: str,
        model: str,
        *,
        system_prompt: str | None = None,
        sampling: Mapping[str, Any] | None = None,
        description: str | None = None,
        aliases: Sequence[str] = (),
        pin: bool = False,
        keep_alive: KeepAlive | None = None,
        **settings: Any,
    ) -> ModelProfile:
        """Makes `name` a model of its own: `model` with these settings where a request asks for nothing else.

        `sampling`: fields of `SamplingParams`. `pin`, `keep_alive`, `settings`: as for `load`. A profile of this name
        is replaced; its file is kept as NAME.toml.bak.
        """
        asked: dict[str, Any] = {
            "model": model,
            "system_prompt": system_prompt,
            "sampling": sampling and dict(sampling),
            "description": description,
            "aliases": [aliases] if isinstance(aliases, str) else list(aliases),
            "pin": pin,
            "keep_alive": to_hold(keep_alive).keep_alive,
        }
        table = {key: value for key, value in asked.items() if value or value == 0} | to_settings(settings).asked()
        return await self._call(lambda transport: transport.save_profile(name, table))

    async def delete_profile(self, name: str) -> ModelProfile:
        """Deletes a profile; the model that it is for stays as it is. What was deleted."""
        return await self._call(lambda transport: transport.delete_profile(name))


class Profiles(Calls):
    """The same for synchronous code."""

    aio: AsyncProfiles

    def profiles(self) -> list[ModelProfile]:
        return self.background.run(self.aio.profiles())

    def save_profile(
        self,
        name: str,
        model: str,
        *,
        system_prompt: str | None = None,
        sampling: Mapping[str, Any] | None = None,
        description: str | None = None,
        aliases: Sequence[str] = (),
        pin: bool = False,
        keep_alive: KeepAlive | None = None,
        **settings: Any,
    ) -> ModelProfile:
        asked: dict[str, Any] = {
            "system_prompt": system_prompt,
            "sampling": sampling,
            "description": description,
            "aliases": aliases,
            "pin": pin,
            "keep_alive": keep_alive,
        }
        return self.background.run(self.aio.save_profile(name, model, **asked, **settings))

    def delete_profile(self, name: str) -> ModelProfile:
        return self.background.run(self.aio.delete_profile(name))


share_docstrings(Profiles, AsyncProfiles)
