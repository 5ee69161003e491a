"""Where requests for answers come in one after the other, so that a thousand at once do not stop the event loop."""

from __future__ import annotations

import asyncio


class Doorway:
    """To understand a request and to begin with it takes about a millisecond; of a thousand that arrive together the
    last would otherwise be begun before the loop looked at anything else, a kernel's messages for instance."""

    def __init__(self) -> None:
        self._door = asyncio.Lock()  # lets those who wait through in the order in which they came

    async def come_in(self) -> None:
        """Returns when it is this request's turn: everything else that was ready has had its own since the last one."""
        async with self._door:
            await asyncio.sleep(0)
