"""The models that somebody has asked for, under whatever name, and the rows of the catalog that they come from."""

from __future__ import annotations

import time
from collections.abc import Iterator

from jupyter_uml.errors import ModelNotFound
from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.catalog.entry import CatalogEntry, resolve
from jupyter_uml.loader.lifecycle.holds import Holds
from jupyter_uml.loader.lifecycle.managed import Managed
from jupyter_uml.types import LoadSettings


class Roster:
    """One `Managed` for each file: all profiles of a model share it. `keep_alive`: seconds, see `Holds`."""

    def __init__(self, catalog: Catalog, keep_alive: float) -> None:
        self._catalog, self._keep_alive = catalog, keep_alive
        self._models: dict[str, Managed] = {}

    def __iter__(self) -> Iterator[Managed]:
        return iter(list(self._models.values()))

    def others(self, than: Managed) -> list[Managed]:
        return [managed for managed in self if managed is not than]

    def get(self, entry: CatalogEntry) -> Managed | None:
        return self._models.get(entry.base or entry.id)

    def rows(self) -> list[CatalogEntry]:
        """Every model of the catalog, and those that are up though their file is gone."""
        entries = self._catalog.entries()
        return [*entries.values(), *(each.entry for each in self if each.up and each.entry.id not in entries)]

    def row(self, model: str) -> CatalogEntry:
        """
        Raises:
            ModelNotFound
        """
        try:
            return self._catalog.get(model)
        except ModelNotFound:
            return self._without_file(model).entry

    async def find(self, model: str) -> tuple[CatalogEntry, Managed]:
        """The row of this name, and where the model stands that is loaded for it.

        Raises:
            ModelNotFound
        """
        try:
            entry = await self._catalog.find(model)
        except ModelNotFound:
            managed = self._without_file(model)
            return managed.entry, managed
        if not entry.loadable:  # it may have been mended a moment ago
            await self._catalog.refresh()
            entry = await self._catalog.find(model)
        base = self._catalog.get(entry.base) if entry.base else entry
        known = self._models.get(base.id)
        if known is None:
            known = self._models[base.id] = Managed(base, self._holds(base))
        elif not known.up:
            known.entry = base
        return entry, known

    def forget(self, managed: Managed) -> None:
        """As if it had never been asked for."""
        managed.error, managed.bad_file, managed.wishes = None, None, LoadSettings()
        managed.holds = self._holds(managed.entry)

    def _without_file(self, model: str) -> Managed:
        """The model that is up though its file is gone."""
        up = {managed.entry.id: managed.entry for managed in self if managed.up}
        entry = resolve(up, model)
        if entry is None:
            raise ModelNotFound(model, list(self._catalog.entries()))
        return self._models[entry.id]

    def _holds(self, entry: CatalogEntry) -> Holds:
        said = entry.defaults.keep_alive if entry.defaults else None
        holds = Holds(self._keep_alive if said is None else said, time.monotonic())
        holds.pinned = bool(entry.defaults and entry.defaults.pin)
        return holds
