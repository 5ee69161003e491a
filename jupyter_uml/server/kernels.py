"""Which notebook kernels live: what they asked for stays with them, and no longer.

Models stay loaded for kernels that use them, and answers go on for those that asked for them.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence, Set
from typing import Protocol

KERNEL_HEADER = "X-Jupyter-Kernel"
LOOK_SECONDS = 2.0
ASKED_SECONDS = 3600.0  # a kernel that asked may hold something only after so long: its model has to be loaded first
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

log = logging.getLogger(__name__)


class Holder(Protocol):
    """What has something for kernels."""

    def kernels(self) -> Set[str]:
        """For which."""

    def release(self, kernel: str) -> None:
        """This one has gone for good."""


class KernelWatch:
    """Lets go of what kernels held that are gone. Looks for them only while there may be something to let go of."""

    def __init__(
        self,
        holders: Sequence[Holder],
        living: Callable[[], Iterable[str]],
        ending: Callable[[str], bool] = lambda _kernel: False,
    ) -> None:
        """`living`: the ids of this server's kernels. `ending`: whether Jupyter is just ending one of them."""
        self._holders, self._living, self._ending = holders, living, ending
        self._asked: dict[str, float] = {}  # when each kernel asked last
        self._task: asyncio.Task[None] | None = None

    def known(self, kernel: str) -> str | None:
        """The kernel's id if there is such a kernel, which is looked after from now on."""
        if not _ID.fullmatch(kernel) or kernel not in self._living():
            return None
        self._asked[kernel] = time.monotonic()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_after(), name="kernels")
            self._task.add_done_callback(self._ended)
        return kernel

    def is_ending(self, kernel: str) -> bool:
        """Whether Jupyter is just ending this kernel, be it for good or to start it anew. It interrupts it first."""
        return kernel in self._living() and self._ending(kernel)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _look_after(self) -> None:
        while self._asked or any(holder.kernels() for holder in self._holders):
            await asyncio.sleep(LOOK_SECONDS)
            living = set(self._living())
            for holder in self._holders:
                for kernel in holder.kernels() - living:
                    log.info("a kernel has ended: what it held is let go of")
                    holder.release(kernel)
            oldest = time.monotonic() - ASKED_SECONDS
            self._asked = {kernel: asked for kernel, asked in self._asked.items() if asked > oldest}

    @staticmethod
    def _ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("looking after kernels failed", exc_info=error)
