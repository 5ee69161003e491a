"""The loader: which models there are, which are up, and the worker processes that run them."""

from __future__ import annotations

from jupyter_uml.loader.catalog import Catalog
from jupyter_uml.loader.loader import UniversalLoader

__all__ = ["Catalog", "UniversalLoader"]
