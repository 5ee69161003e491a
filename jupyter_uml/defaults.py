"""What holds where nothing else is configured: cheap to import, since a Jupyter server does that at its start."""

from __future__ import annotations

from pathlib import Path

from jupyter_core.paths import jupyter_data_dir

KEEP_ALIVE = 1800.0  # seconds without a request after which a model is unloaded
QUEUE_SECONDS = 300.0  # how long a load waits for memory
MAX_QUEUE = 512  # requests that wait for one engine
RAM_BYTES = 1 << 30  # of computed prompts in memory, at most, and of what is free no more than a share
DISK_BYTES = 8 << 30  # the same on disk


def default_state_dir() -> Path:
    """Where this user's servers remember what they found out."""
    return Path(jupyter_data_dir()) / "uml"


def default_model_dir() -> Path:
    """Where models are kept for this user when no other folder is named."""
    return default_state_dir() / "models"


def default_cache_dir() -> Path:
    """Where computed prompts are kept."""
    return default_state_dir() / "cache"
