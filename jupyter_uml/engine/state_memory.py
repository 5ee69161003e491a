"""Saved KV states in RAM: those used last, within a limit."""

from __future__ import annotations

from jupyter_uml.engine.stored_state import StateIndex, StoredState


class StateMemory:
    """States by bytes, the least recently used ones dropped first. `used` and `limit` are bytes."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0
        self.index = StateIndex()
        self._payloads: dict[StoredState, memoryview] = {}  # least recently used first

    def put(self, state: StoredState, payload: memoryview) -> None:
        """Keep a state, unless it is too large or one that is there does the same."""
        better = self.index.replaces(state)
        if better is not None:
            self.load(better)
        elif state.size <= self.limit:
            for needless in self.index.replaced_by(state):
                self._drop(needless)
            while self.used + state.size > self.limit:
                self._drop(next(iter(self._payloads)))
            self._payloads[state] = payload
            self.used += state.size
            self.index.add(state)

    def load(self, state: StoredState) -> memoryview | None:
        payload = self._payloads.pop(state, None)
        if payload is not None:
            self._payloads[state] = payload  # now the one used last
        return payload

    def _drop(self, state: StoredState) -> None:
        del self._payloads[state]
        self.used -= state.size
        self.index.remove(state)
