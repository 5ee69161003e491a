"""What lies in a folder and below. A second look lists only the folders that have changed since."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jupyter_uml.loader.catalog.facts_cache import FoundFile, Identity

MAX_FOLDERS, MAX_FILES, MAX_DEPTH = 20_000, 50_000, 16  # somebody may name his whole disk
# A folder that changed in this time before it was listed may change once more under the same time stamp.
_SETTLED_NS = 2_000_000_000

Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Folder:
    """`parts`: the way to it from the root. `files`: the wanted ones, by name."""

    path: Path
    parts: Parts
    files: tuple[FoundFile, ...]


@dataclass(slots=True)
class _Listing:
    """What was last seen of a folder."""

    mtime_ns: int
    settled: bool
    folders: tuple[tuple[Path, Parts], ...]
    files: tuple[Path, ...]
    seen: Folder


class FolderTree:
    """`wanted(name)`: which files matter. `entered(parts)`: which folders do; hidden ones never do.

    Links are followed, each folder is visited once. What cannot be read or is gone is passed over.
    """

    def __init__(
        self, root: Path, wanted: Callable[[str], bool], entered: Callable[[Parts], bool] = lambda parts: True
    ) -> None:
        self.root = root
        self._wanted, self._entered = wanted, entered
        self._listings: dict[Path, _Listing] = {}

    def scan(self) -> list[Folder]:
        """The folders that hold wanted files, parents first, in alphabetic order. Blocks.

        What has not changed is given as the same objects as the last time, so that comparing is quick.
        """
        listings, n_files = dict[Path, _Listing](), 0
        for path, listing in self._walk():
            listings[path] = listing
            files = _looked_at(listing.files[: MAX_FILES - n_files], listing.seen.files)
            n_files += len(files)
            if files != listing.seen.files:
                listing.seen = Folder(path, listing.seen.parts, files)
        self._listings = listings
        return [listing.seen for listing in listings.values() if listing.seen.files]

    def _walk(self) -> Iterator[tuple[Path, _Listing]]:
        waiting: list[tuple[Path, Parts]] = [(self.root, ())]
        visited = set[tuple[int, int]]()
        while waiting and len(visited) < MAX_FOLDERS:
            path, parts = waiting.pop()
            try:
                state = os.stat(path)
                if (state.st_dev, state.st_ino) in visited:
                    continue
                listing = self._listing(path, parts, state.st_mtime_ns)
            except OSError:
                continue
            visited.add((state.st_dev, state.st_ino))
            yield path, listing
            waiting.extend(listing.folders)

    def _listing(self, path: Path, parts: Parts, mtime_ns: int) -> _Listing:
        known = self._listings.get(path)
        if known is not None and known.settled and known.mtime_ns == mtime_ns and known.seen.parts == parts:
            return known
        settled = time.time_ns() - mtime_ns > _SETTLED_NS
        folders, files = list[str](), list[str]()
        with os.scandir(path) as entries:
            for entry in entries:
                if _is_folder(entry):
                    folders.append(entry.name)
                elif self._wanted(entry.name):
                    files.append(entry.name)
        below = [(*parts, name) for name in sorted(folders, reverse=True) if not name.startswith(".")]
        return _Listing(
            mtime_ns,
            settled,
            tuple((path / way[-1], way) for way in below if len(way) <= MAX_DEPTH and self._entered(way)),
            tuple(path / name for name in sorted(files)),
            known.seen if known is not None and known.seen.parts == parts else Folder(path, parts, ()),
        )


def found_file(path: Path) -> FoundFile | None:
    """The file as it is now; None where there is none. A pipe, which would never end, is none."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return FoundFile(path, Identity.of(state)) if stat.S_ISREG(state.st_mode) else None


def _looked_at(paths: tuple[Path, ...], before: tuple[FoundFile, ...]) -> tuple[FoundFile, ...]:
    """The files that are there; those that are as they were `before` are the same objects."""
    files = [file for path in paths if (file := found_file(path)) is not None]
    if len(files) == len(before) and all(map(_is_same, files, before)):
        return before
    return tuple(files)


def _is_same(one: FoundFile, other: FoundFile) -> bool:
    return one.identity == other.identity and one.path == other.path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """A link that leads to itself is none, and says so by an error."""
    try:
        return entry.is_dir()
    except OSError:
        return False
