"""The loader: which models there are, which are up, and the worker processes that run them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_uml.loader.catalog.catalog import Catalog
    from jupyter_uml.loader.loader import UniversalLoader

__all__ = ["Catalog", "UniversalLoader"]

# Looked up when they are asked for: the processes that read files and download import only what they need.
_HOMES = {"Catalog": "jupyter_uml.loader.catalog.catalog", "UniversalLoader": "jupyter_uml.loader.loader"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
