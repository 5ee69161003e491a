"""What the magics and panels of one kernel share: the client."""

from __future__ import annotations

import functools

from jupyter_uml.client import UniversalClient


@functools.cache
def shared_client() -> UniversalClient:
    """Made when it is first needed; closed with the process."""
    return UniversalClient()
