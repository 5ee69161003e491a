"""Requests that were refused for who asked: each in the audit file, a flood of them as a number."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from jupyter_uml.access import AuditEvent

MOST = 5  # a second


class Refusals:
    """`note`: takes what is to be kept. A client that tries keys by the million does not fill the disk."""

    def __init__(self, note: Callable[[AuditEvent], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._note, self._clock = note, clock
        self._left, self._since = float(MOST), clock()
        self._untold = 0

    def add(self, event: AuditEvent) -> None:
        now = self._clock()
        self._left = min(MOST, self._left + (now - self._since) * MOST)
        self._since = now
        if self._left < 1:
            self._untold += 1
            return
        self._left -= 1
        self._tell(event)

    def close(self) -> None:
        """Say what has not been told."""
        if self._untold:
            self._tell(AuditEvent("request.refused", "refused"))

    def _tell(self, event: AuditEvent) -> None:
        if self._untold:
            event = replace(event, details={**event.details, "others_before": self._untold})
            self._untold = 0
        self._note(event)
