"""The one client that a kernel's magics and panels share."""

from __future__ import annotations

import functools

from jupyter_uml.client import UniversalClient


@functools.cache
def shared_client() -> UniversalClient:
    """Made when it is first needed; closed with the process."""
    return UniversalClient()
