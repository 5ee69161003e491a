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
    """One `Managed` for each file: all profiles of a model share it. `keep_alive`: seconds, see `Holds`.

    A model that is up may turn out to be a copy of another, whose alias its id then is. It stands for that one until it
    is gone; where both are up, its own id means it.
    """

    def __init__(self, catalog: Catalog, keep_alive: float) -> None:
        self._catalog, self._keep_alive = catalog, keep_alive
        self._models: dict[str, Managed] = {}

    def __iter__(self) -> Iterator[Managed]:
        return iter(list(self._models.values()))

    def others(self, than: Managed) -> list[Managed]:
        return [managed for managed in self if managed is not than]

    def get(self, entry: CatalogEntry) -> Managed | None:
        base = self._catalog.entries().get(entry.base) if entry.base else entry
        return self._models.get(entry.base or "") if base is None else self._of(base)

    def rows(self) -> list[CatalogEntry]:
        """Every model of the catalog, and those that are up though their file is gone."""
        entries = self._catalog.entries()
        return [*entries.values(), *(each.entry for each in self if self._apart(each.entry.id) is each)]

    def row(self, model: str) -> CatalogEntry:
        """
        Raises:
            ModelNotFound
        """
        if (apart := self._apart(model)) is not None:
            return apart.entry
        try:
            return self._catalog.get(model)
        except ModelNotFound:
            return self._without_file(model).entry

    async def find(self, model: str) -> tuple[CatalogEntry, Managed]:
        """The row of this name, and where the model stands that is loaded for it.

        Raises:
            ModelNotFound
        """
        if (copy := self._apart(model)) is not None and resolve(self._catalog.entries(), model) is not None:
            return copy.entry, copy
        try:
            entry = await self._catalog.find(model)
        except ModelNotFound:
            managed = self._without_file(model)
            return managed.entry, managed
        if not entry.loadable:  # it may have been mended a moment ago
            await self._catalog.refresh()
            entry = await self._catalog.find(model)
        base = self._catalog.get(entry.base) if entry.base else entry
        known = self._of(base)
        if known is None:
            known = self._models[base.id] = Managed(base, self._holds(base))
        elif not known.up:
            known.entry = base
        return entry, known

    def forget(self, managed: Managed) -> None:
        """As if it had never been asked for."""
        managed.error, managed.bad_file, managed.wishes = None, None, LoadSettings()
        managed.holds = self._holds(managed.entry)

    def _of(self, base: CatalogEntry) -> Managed | None:
        known = self._models.get(base.id)
        if known is not None and known.up:
            return known
        return next((each for each in self if each.up and _is_copy(each.entry, base)), known)

    def _apart(self, model: str) -> Managed | None:
        """The model of this id that is up and no row of the catalog stands for."""
        each = self._models.get(model)
        if each is None or not each.up or model in self._catalog.entries():
            return None
        base = resolve(self._catalog.entries(), model)
        return each if base is None or self._of(base) is not each else None

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


def _is_copy(entry: CatalogEntry, base: CatalogEntry) -> bool:
    return entry.id in base.aliases and entry.size_bytes == base.size_bytes
