"""The cache of Hugging Face's tools, in their layout: what one of them has downloaded is there for all of them.

`models--owner--repo/blobs/<digest>` holds the content, `snapshots/<commit>/<path>` links to it, `refs/<branch>` tells
the commit. Layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from jupyter_uml.errors import InsufficientDisk
from jupyter_uml.loader.hub.listing import HubFile

ROOM_LEFT = 256 << 20  # bytes of disk that a download leaves to others
_UNFINISHED = ".incomplete"
_READ = 1 << 20


class RepositoryCache:
    """One repository's part of the cache. Folders and files are made as the user's umask says: it is shared."""

    def __init__(self, cache: Path, repo: str) -> None:
        self._cache, self._name = cache, f"models--{repo.replace('/', '--')}"
        self._folder = cache / self._name

    def blob(self, file: HubFile) -> Path:
        return self._folder / "blobs" / file.digest

    def has(self, file: HubFile) -> bool:
        blob = self.blob(file)
        return blob.is_file() and blob.stat().st_size == file.size_bytes

    def check(self, file: HubFile) -> None:
        """Drop what is there if it is damaged. Takes seconds for each gigabyte.

        It is not written over: who has it loaded keeps what was there.
        """
        digest = _digest_for(file)
        with self.blob(file).open("rb", buffering=0) as blob:
            while chunk := blob.read(_READ):
                digest.update(chunk)
        if digest.hexdigest() != file.digest:
            self.blob(file).unlink()

    def partial(self, file: HubFile) -> Path:
        """Where the beginning of a file is kept until the rest has come."""
        blob = self.blob(file)
        return blob.with_name(blob.name + _UNFINISHED)

    def bytes_of(self, file: HubFile) -> int:
        """How much of it is there."""
        if self.has(file):
            return file.size_bytes
        partial = self.partial(file)
        return min(partial.stat().st_size, file.size_bytes) if partial.exists() else 0

    def lock(self, file: HubFile) -> Path:
        """Whoever downloads this file holds this lock, whichever tool it is."""
        return self._cache / ".locks" / self._name / f"{file.digest}.lock"

    def snapshot(self, commit: str, file: HubFile) -> Path:
        return self._folder / "snapshots" / commit / file.path

    def prepare(self, files: tuple[HubFile, ...]) -> None:
        """Make the folders, and see that all fits the disk.

        Raises:
            InsufficientDisk: it does not.
            OSError: the folders cannot be made.
        """
        for folder in {self.blob(file).parent for file in files} | {self.lock(file).parent for file in files}:
            folder.mkdir(parents=True, exist_ok=True)
        needed = sum(file.size_bytes - self.bytes_of(file) for file in files)
        free = max(0, shutil.disk_usage(self._folder).free - ROOM_LEFT)
        if needed > free:
            raise InsufficientDisk(
                f"{needed / 2**30:.2f} GiB of disk are needed and {free / 2**30:.2f} GiB are free. Make room, or pull "
                "a smaller quantisation.",
                needed_bytes=needed,
                available_bytes=free,
            )

    def publish(self, revision: str, commit: str, files: tuple[HubFile, ...]) -> Path:
        """Give the files their names, the first one last: who looks for models sees all of it or nothing.

        Returns its path.
        """
        for file in reversed(files):
            _link(self.blob(file), self.snapshot(commit, file))
        if revision != commit:
            _write(self._folder / "refs" / revision, commit)
        return self.snapshot(commit, files[0])


class PartialFile:
    """A file that is being downloaded: what is there, and its digest so far. A kill at any point leaves it usable."""

    def __init__(self, path: Path, file: HubFile) -> None:
        self._path, self._wanted = path, file
        if path.exists() and path.stat().st_size > file.size_bytes:
            path.unlink()
        self._digest = _digest_for(file)
        self._file = path.open("ab+", buffering=0)
        self.size = 0
        self._file.seek(0)
        while chunk := self._file.read(_READ):
            self._digest.update(chunk)
            self.size += len(chunk)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def is_whole(self) -> bool:
        return self.size >= self._wanted.size_bytes

    @property
    def is_right(self) -> bool:
        return self.size == self._wanted.size_bytes and self._digest.hexdigest() == self._wanted.digest

    def append(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        while rest:
            written = self._file.write(rest)  # may be a part of it where the disk is nearly full
            self._digest.update(rest[:written])
            self.size += written
            rest = rest[written:]

    def clear(self) -> None:
        self._file.truncate(0)
        self._digest, self.size = _digest_for(self._wanted), 0

    def discard(self) -> None:
        self._file.close()
        self._path.unlink()

    def finish(self, final: Path) -> None:
        os.fsync(self._file.fileno())  # else a power failure may keep the name and lose what the file holds
        self._file.close()
        os.replace(self._path, final)


def _digest_for(file: HubFile) -> hashlib._Hash:
    if len(file.digest) == 64:
        return hashlib.sha256()
    return hashlib.sha1(b"blob %d\0" % file.size_bytes, usedforsecurity=False)  # as git names its objects


def _link(blob: Path, name: Path) -> None:
    if name.exists():
        return
    name.parent.mkdir(parents=True, exist_ok=True)
    name.unlink(missing_ok=True)  # a link that leads nowhere
    try:
        name.symlink_to(os.path.relpath(blob, name.parent))
    except OSError:  # Windows grants links to few, a second name for the same content to all
        os.link(blob, name)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text)
    os.replace(temporary, path)
