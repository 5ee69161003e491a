"""What happens to requests while the disk does not take their records: as the administrator decided."""

from __future__ import annotations

import logging
from typing import Literal

from jupyter_uml.errors import RecordsUnavailable

OnFullDisk = Literal["go_on", "refuse"]

log = logging.getLogger(__name__)


class DiskTrouble:
    """Tells the log once when it begins and once when it is over. `lost`: records that could not be kept for later."""

    def __init__(self, what: str, on_full_disk: OnFullDisk) -> None:
        self._what, self._on_full_disk = what, on_full_disk
        self.now = False
        self.lost = 0

    def check(self) -> None:
        """
        Raises:
            RecordsUnavailable: the disk takes no records, and without a record nothing shall be done.
        """
        if self.now and self._on_full_disk == "refuse":
            raise RecordsUnavailable(
                "The server cannot record this request, and must. Try again later.", retry_after=30
            )

    def begins(self, reason: object) -> None:
        if not self.now:
            self.now = True
            then = "requests are refused" if self._on_full_disk == "refuse" else "requests go on"
            log.critical("the %s cannot be written, and %s until it can: %s", self._what, then, reason)

    def is_over(self) -> None:
        if self.now:
            self.now = False
            log.warning("the %s can be written again; %d records were lost", self._what, self.lost)
