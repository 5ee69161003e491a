"""Where a user's own programs keep what they would otherwise have to ask for again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """The folder of this name among the user's caches; only the user can look into it.

    Raises:
        OSError: it is not there and cannot be made.
    """
    from jupyter_core.paths import jupyter_data_dir

    folder = Path(jupyter_data_dir()) / "uml" / "cache" / name
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o700)
    return folder
