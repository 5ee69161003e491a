"""Where workers keep computed prompts beside their KV cache, and how much room they get for them."""

from __future__ import annotations

import shutil
from pathlib import Path

from jupyter_uml.defaults import DISK_BYTES, RAM_BYTES
from jupyter_uml.loader.memory.fit import available_memory
from jupyter_uml.types import CacheSettings

RAM_SHARE = 1 / 8  # of what is free, at most
DISK_SHARE = 1 / 10


def prompt_cache(folder: Path | None, ram_bytes: int = RAM_BYTES, disk_bytes: int = DISK_BYTES) -> CacheSettings:
    """Limits for this machine, here and now. Without a folder nothing is written to disk."""
    ram = min(ram_bytes, int(available_memory() * RAM_SHARE))
    if folder is None or disk_bytes <= 0:
        return CacheSettings(ram_bytes=ram)
    return CacheSettings(ram, str(folder), min(disk_bytes, int(_free(folder) * DISK_SHARE)))


def _free(folder: Path) -> int:
    """Bytes free on the disk where the folder is or would be."""
    for place in (folder, *folder.parents):
        if place.exists():
            return shutil.disk_usage(place).free
    return 0
