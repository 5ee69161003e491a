"""What the magics and panels of one kernel share: the client, and the news that something has begun."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable

from jupyter_uml.client import UniversalClient

# Bounded, since ipywidgets keeps every panel ever made, also those that no cell shows any more.
_listeners: deque[Callable[[], object]] = deque(maxlen=4)


@functools.cache
def shared_client() -> UniversalClient:
    """Made when it is first needed; closed with the process."""
    return UniversalClient()


def on_activity(listener: Callable[[], object]) -> None:
    """Call `listener` when a cell or a panel begins to load, unload or ask. It must return at once."""
    _listeners.append(listener)


def announce_activity() -> None:
    for listener in list(_listeners):
        listener()
