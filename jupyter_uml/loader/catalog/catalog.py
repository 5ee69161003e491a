"""Finds models and gives each a name. An id never holds a path, and only ids of this list can be loaded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from jupyter_uml.defaults import default_state_dir
from jupyter_uml.errors import ModelNotFound, UmlError
from jupyter_uml.loader.catalog.entry import CatalogEntry, entries_of, resolve, with_profiles
from jupyter_uml.loader.catalog.facts_cache import FactsCache, FoundFile
from jupyter_uml.loader.catalog.folder_tree import found_file
from jupyter_uml.loader.catalog.gguf_file import GgufFile
from jupyter_uml.loader.catalog.inspector import Inspector
from jupyter_uml.loader.catalog.model_files import ModelFiles
from jupyter_uml.loader.catalog.names import Names
from jupyter_uml.loader.catalog.profiles import Profile, ProfileFolder, default_profile_dir
from jupyter_uml.loader.catalog.stores import DemoStore, FolderStore, Store, user_stores
from jupyter_uml.loader.news import News

RESCAN_SECONDS = 1.0
SCAN_SECONDS = 5.0  # a disk that takes longer is looked at again later; what it held before stays listed
_PROFILES = -1  # their place among the stores

__all__ = ["Catalog", "CatalogEntry"]

log = logging.getLogger(__name__)


class Catalog:
    """The bundled demo model, the models in `folders` with their sub-folders, in `stores`, and the `profiles`.

    `entries` and `get` answer from memory. `refresh` looks at the disks in threads and reads new files in a child
    process; after `start` that happens whenever somebody asks, at most once a second, and `entries` never waits for
    a disk. Without `start` it looks at them itself, but does not read the files.
    """

    def __init__(
        self,
        folders: Iterable[Path] = (),
        *,
        demo: bool = True,
        stores: Sequence[Store] = (),
        profiles: ProfileFolder | None = None,
        state: Path | None = None,
    ) -> None:
        """`state`: folder in which is remembered what files hold and what models are called; None: nowhere."""
        own = [FolderStore(Path(folder).expanduser()) for folder in folders]
        self._stores: list[Store] = [*([DemoStore()] if demo else []), *own, *stores]
        self._profile_folder = profiles
        self._cache = FactsCache(state / "files.json" if state else None)
        self._names = Names(state / "names.json" if state else None)
        self.inspector = Inspector(self._cache)
        self._models: dict[int, Sequence[ModelFiles]] = {}  # by the place of their store
        self._profiles: Mapping[str, Profile | UmlError] = {}
        self._entries: dict[str, CatalogEntry] = {}
        self.news = News()  # the entries are others
        self._combined: object = None  # what the entries were made of
        self._scanned_at = -RESCAN_SECONDS
        self._scans: dict[int, asyncio.Future[None]] = {}  # those under way
        self._hanging: set[int] = set()  # of these the ones that nobody waits for any more
        self._refreshing: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()

    @classmethod
    def of_user(cls, folders: Iterable[Path] = (), *, demo: bool = True, other_stores: bool = True) -> Self:
        """With the stores of other programs and the profiles of this user."""
        stores, profiles = user_stores() if other_stores else (), ProfileFolder(default_profile_dir())
        return cls(folders, demo=demo, stores=stores, profiles=profiles, state=default_state_dir())

    # --- looking ---

    def entries(self) -> dict[str, CatalogEntry]:
        """Every model by its id, the demo model first. Files that came or went are noticed within two seconds."""
        self._asked.set()
        if self._watcher is None and time.monotonic() - self._scanned_at >= RESCAN_SECONDS:
            self._scan()
        return self._entries

    def get(self, name: str) -> CatalogEntry:
        """The model of this id or alias; its `id` is the one name that it is managed by.

        Raises:
            ModelNotFound: nothing is called so; the message lists what is.
        """
        entries = self.entries()
        if (entry := resolve(entries, name)) is None:
            raise ModelNotFound(name, list(entries))
        return entry

    @property
    def profiles(self) -> Mapping[str, Profile | UmlError]:
        """By the names of their files; from memory, as `entries`."""
        return self._profiles

    @property
    def profile_folder(self) -> ProfileFolder | None:
        return self._profile_folder

    async def find(self, name: str) -> CatalogEntry:
        """As `get`, but looks at the disks before it says that there is no such model."""
        try:
            return self.get(name)
        except ModelNotFound:
            under_way = self._scans.keys() - self._hanging
            await self._scan_in_threads()
            if under_way and resolve(self._entries, name) is None:  # these may have passed the place already
                await self._scan_in_threads()
            return self.get(name)

    async def holding(self, path: Path) -> CatalogEntry | None:
        """The model that this file is part of, under whatever name; looks at the disks first."""
        under_way = self._scans.keys() - self._hanging
        await self._scan_in_threads()
        file = await asyncio.to_thread(found_file, path)
        entry = self._with(file)
        if file and under_way and entry is None:  # these may have passed the place already
            await self._scan_in_threads()
            entry = self._with(file)
        return entry

    def _with(self, file: FoundFile | None) -> CatalogEntry | None:
        if file is None:
            return None
        rows = (row for row in self._entries.values() if row.base is None)
        return next((row for row in rows if file.identity in {each.identity for each in row.files + row.doubles}), None)

    async def headers(self, entry: CatalogEntry) -> list[GgufFile]:
        """The headers of a model's files, in their order.

        Raises:
            BrokenFile, OSError, Unreadable
        """
        return await self.inspector.headers([file.path for file in entry.files])

    async def sha256(self, name: str) -> str:
        """The checksum of a model's first file; where no store tells it, computed, which takes seconds a gigabyte.

        Raises:
            ModelNotFound, OSError, Unreadable
        """
        entry = await self.find(name)
        if entry.sha256 is not None:
            return entry.sha256
        computed = await self.inspector.sha256(entry.files[0])
        self._combine()
        return computed

    # --- keeping up ---

    async def start(self) -> None:
        """Look at everything once, and from now on whenever somebody asks."""
        await self._scan_in_threads()
        self._watcher = self._watcher or asyncio.create_task(self._watch(), name="catalog")

    async def close(self) -> None:
        for task in (self._watcher, self._refreshing):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._watcher = None
        await self.inspector.close()

    async def refresh(self) -> None:
        """Look at the disks now, and read the files that are new."""
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._refresh(), name="refresh catalog")
            self._refreshing.add_done_callback(self._refreshed)
        await asyncio.shield(self._refreshing)

    async def profiles_changed(self) -> None:
        """Take notice of a profile that was just written or deleted."""
        under_way = _PROFILES in self._scans  # and may have passed it already
        await self._scan_in_threads()
        if under_way:
            await self._scan_in_threads()

    def _refreshed(self, task: asyncio.Task[None]) -> None:
        self._refreshing = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("looking for models failed", exc_info=error)

    async def _refresh(self) -> None:
        await self._scan_in_threads()
        if await self.inspector.read(self._unread()):
            await self._scan_in_threads()  # what a file is may decide to which model it belongs

    async def _watch(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            await asyncio.gather(self.refresh(), return_exceptions=True)
            await asyncio.sleep(RESCAN_SECONDS)

    # --- inside ---

    def _scan(self) -> None:
        for place, store in enumerate(self._stores):
            self._models[place] = store.scan(self._cache)
        if self._profile_folder is not None:
            self._profiles = self._profile_folder.scan()
        self._combine()
        self._names.save()

    async def _scan_in_threads(self) -> None:
        """Each store in a thread of its own: one that hangs holds up nothing, and is left alone until it is back."""

        def scan(place: int) -> None:
            self._models[place] = self._stores[place].scan(self._cache)

        for place in range(len(self._stores)):
            if place not in self._scans:
                self._scans[place] = _in_thread(partial(scan, place))
        if _PROFILES not in self._scans and self._profile_folder is not None:
            self._scans[_PROFILES] = _in_thread(self._scan_profiles)
        if waited_for := [scan for place, scan in self._scans.items() if place not in self._hanging]:
            await asyncio.wait(waited_for, timeout=SCAN_SECONDS)
        for place, scanned in list(self._scans.items()):
            if scanned.done():
                del self._scans[place]
                if (error := scanned.exception()) is not None:
                    log.error("looking for models failed", exc_info=error)
        self._hanging = set(self._scans)
        self._combine()
        await asyncio.to_thread(self._names.save)

    def _scan_profiles(self) -> None:
        assert self._profile_folder is not None
        self._profiles = self._profile_folder.scan()

    def _combine(self) -> None:
        """Make the entries, if anything is new. Takes some milliseconds for a thousand models."""
        self._scanned_at = time.monotonic()
        models = [model for _, found in sorted(self._models.items()) for model in found]
        seen = (models, dict(self._profiles), self._cache.revision)
        if seen != self._combined:
            self._combined = seen
            self._entries = with_profiles(entries_of(models, self._cache, self._names), self._profiles)
            self.news.tell()

    def _unread(self) -> list[FoundFile]:
        models = [model for found in self._models.values() for model in found if model.format == "gguf"]
        return [file for model in models for file in (*model.files, *model.projectors, *model.adapters)]


def _in_thread(work: Callable[[], None]) -> asyncio.Future[None]:
    """Work that may never end: unlike a pool's, its thread does not keep the server from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def finish(error: Exception | None) -> None:
        if not done.cancelled():
            done.set_result(None) if error is None else done.set_exception(error)

    def run() -> None:
        error = None
        try:
            work()
        except Exception as caught:
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(finish, error)

    threading.Thread(target=run, name="catalog", daemon=True).start()
    return done
