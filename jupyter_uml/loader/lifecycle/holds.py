"""Who keeps a model loaded, and until when. Pure: times are seconds on the caller's clock."""

from __future__ import annotations

import math

from jupyter_uml.types import Hold

NEVER = -1.0  # as `keep_alive`
RELEASED_SECONDS = 60.0  # a kernel that goes often comes back: it is restarted


class Holds:
    """Of one model. It expires when nobody has used it for as long as the last one who did had said.

    A living kernel that uses it holds it, unless it says itself for how long.
    """

    def __init__(self, keep_alive: float, now: float) -> None:
        """`keep_alive`: seconds, for those who say nothing."""
        self.keep_alive = self._configured = keep_alive
        self.pinned = False
        self.kernels: set[str] = set()
        self.last_used = now
        self._until = -math.inf

    def loaded(self, now: float) -> None:
        """The model is up; whoever asked for it may have gone."""
        self.last_used = now
        self._until = max(self._until, now + self._grace)

    def stand(self, hold: Hold) -> None:
        """Somebody has loaded the model, and said how long it stays also for those to come who say nothing.

        Nought is for once: else each of them would load it anew.
        """
        if hold.keep_alive is not None:
            self.keep_alive = hold.keep_alive or self._configured

    def used(self, hold: Hold, now: float) -> None:
        """A request has come, or somebody has loaded the model."""
        self.last_used = now
        if hold.kernel is not None and hold.keep_alive is None:
            self.kernels.add(hold.kernel)
            return
        self.kernels.discard(hold.kernel or "")
        seconds = self.keep_alive if hold.keep_alive is None else hold.keep_alive
        self._until = math.inf if seconds == NEVER else now + seconds

    def ended(self, hold: Hold, now: float) -> None:
        """The request has ended; its kernel may have gone before it."""
        if hold.kernel is not None and hold.keep_alive is None and hold.kernel not in self.kernels:
            self.loaded(now)
        else:
            self.used(hold, now)

    def release(self, kernel: str, now: float) -> bool:
        """The kernel is gone. Returns whether it held the model."""
        if kernel not in self.kernels:
            return False
        self.kernels.remove(kernel)
        self._until = max(self._until, now + self._grace)
        return True

    @property
    def _grace(self) -> float:
        return RELEASED_SECONDS if self.keep_alive == NEVER else min(self.keep_alive, RELEASED_SECONDS)

    @property
    def expires_at(self) -> float | None:
        """When it is to be unloaded, if it is idle then; None: not by time."""
        if self.pinned or self.kernels or self._until == math.inf:
            return None
        return self._until

    @property
    def rank(self) -> tuple[bool, float]:
        """Those of lower rank make room first."""
        return bool(self.kernels), self.last_used
