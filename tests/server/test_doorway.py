"""Many at the door at once, and somebody else who wants to be served meanwhile."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from jupyter_uml.server.doorway import Doorway

pytestmark = pytest.mark.anyio


async def test_others_are_served_between_two_that_come_in() -> None:
    doorway, came = Doorway(), list[int]()

    async def request(number: int) -> None:
        await doorway.come_in()
        came.append(number)

    requests = [asyncio.create_task(request(n)) for n in range(100)]
    seen = []
    while len(came) < 100:
        seen.append(len(came))
        await asyncio.sleep(0)
    await asyncio.gather(*requests)
    assert came == list(range(100))
    assert max(later - earlier for earlier, later in pairwise(seen)) == 1


async def test_one_that_gives_up_holds_up_nobody() -> None:
    doorway = Doorway()
    requests = [asyncio.create_task(doorway.come_in()) for _ in range(5)]
    await asyncio.sleep(0)
    for leaving in (0, 2):  # one in the door, one that waits
        requests[leaving].cancel()
    ends = await asyncio.wait_for(asyncio.gather(*requests, return_exceptions=True), 1)
    assert [isinstance(end, asyncio.CancelledError) for end in ends] == [True, False, True, False, False]
