"""Lists, writes and deletes profiles for those who do it over HTTP or in a notebook, and not with an editor."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jupyter_uml.errors import InsufficientDisk, InvalidRequest, ProfileNotFound, UmlError
from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.catalog.entry import resolve
from jupyter_uml.loader.catalog.profiles import Profile, ProfileFolder, from_table
from jupyter_uml.types import ModelProfile


class Profiles:
    """Of a catalog. What is changed here is known to it on return."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def all(self) -> list[ModelProfile]:
        """Also those that are of no use, with the reason."""
        self._catalog.entries()
        return [self._told(name, profile) for name, profile in sorted(self._catalog.profiles.items())]

    async def save(self, name: str, table: Mapping[str, Any]) -> ModelProfile:
        """Write a profile, of what would stand in its file; one that is there is replaced and kept as NAME.toml.bak.

        Raises:
            ModelNotFound: there is no such model.
            InvalidRequest: the name is taken, or something is wrong in the table.
            InsufficientDisk: it could not be written.
        """
        folder = self._folder()
        profile = from_table(name, {key: _as_in_a_file(value) for key, value in table.items()})
        base = await self._catalog.find(profile.model)
        if base.source == "profile":
            meant = f" Name the model: {base.base}." if base.base else ""
            raise InvalidRequest(f"{profile.model} is a profile itself.{meant}", param="model")
        self._check_free(name, name, "name")
        for alias in profile.aliases:
            self._check_free(alias, name, "aliases")
        try:
            await asyncio.to_thread(folder.save, replace(profile, model=base.id), replace=True)
        except OSError as error:
            raise InsufficientDisk(f"The profile could not be written: {error.strerror}.") from error
        await self._catalog.profiles_changed()
        return self._told(name, replace(profile, model=base.id))

    async def delete(self, name: str) -> ModelProfile:
        """What was deleted.

        Raises:
            ProfileNotFound
            InsufficientDisk: it could not be deleted.
        """
        folder = self._folder()
        await self._catalog.profiles_changed()
        found = next((row for row in self.all() if row.name == name), None)
        if found is None:
            raise ProfileNotFound(f"There is no profile {name[:100]!r}.", param="name")
        try:
            await asyncio.to_thread(folder.delete, name)
        except OSError as error:
            raise InsufficientDisk(f"The profile could not be deleted: {error.strerror}.") from error
        await self._catalog.profiles_changed()
        return found

    def _folder(self) -> ProfileFolder:
        if self._catalog.profile_folder is None:
            raise ProfileNotFound("No profiles are kept here.")
        return self._catalog.profile_folder

    def _check_free(self, word: str, name: str, param: str) -> None:
        """Whether `word` may be asked for as the profile `name`.

        Raises:
            InvalidRequest: something else is called so.
        """
        taken = resolve(self._catalog.entries(), word)
        if taken is not None and (taken.source != "profile" or taken.id not in (name, f"profile/{name}")):
            raise InvalidRequest(f"{word!r} is what {taken.id} is called: take another {param}.", param=param)

    def _told(self, name: str, profile: Profile | UmlError) -> ModelProfile:
        entries = self._catalog.entries()
        row_id = f"profile/{name}" if f"profile/{name}" in entries else name
        if isinstance(profile, UmlError):
            return ModelProfile(name, row_id, reason=profile.message)
        defaults, entry = profile.defaults, entries.get(row_id)
        return ModelProfile(
            name,
            row_id,
            profile.model,
            profile.description,
            profile.aliases,
            defaults.settings,
            defaults.sampling,
            defaults.system_prompt,
            defaults.keep_alive,
            defaults.pin,
            entry.reason if entry else None,
        )


def _as_in_a_file(value: Any) -> Any:
    """Lists for tuples."""
    if isinstance(value, Mapping):
        return {key: _as_in_a_file(each) for key, each in value.items()}
    return [_as_in_a_file(each) for each in value] if isinstance(value, tuple | list) else value
