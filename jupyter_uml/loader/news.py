"""That something has changed, told at once to whoever wants to know. Costs next to nothing where nobody does."""

from __future__ import annotations

from collections.abc import Callable


class News:
    """For one event loop. Listeners are called often and must be quick: what has changed they look up themselves."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def leave(self, listener: Callable[[], None]) -> None:
        self._listeners.remove(listener)

    def tell(self) -> None:
        for listener in self._listeners:
            listener()
