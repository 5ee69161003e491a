"""One stream of events over as many connections as it takes: of an answer that the server keeps."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from jupyter_uml.client.retry import RetryPolicy
from jupyter_uml.client.sse import ServerEvent
from jupyter_uml.errors import ConnectionFailed, StreamInterrupted, UmlError
from jupyter_uml.types import MAX_CELL, MAX_QUESTION, GenerationLabel

LASTING_SECONDS = 5.0  # a connection that held so long was one, also if nothing came
MAX_LABEL = 2048  # bytes of a header
_CUT = "The connection to the server was lost before the answer was whole."
_AWAY = (502, 503, 504)  # what proxies say while the server behind them cannot be reached

# The events after the one of this number, over one connection. It ends where the connection does.
Connect = Callable[[int], AsyncGenerator[ServerEvent, None]]


async def reattached(
    connect: Connect,
    policy: RetryPolicy,
    after: int = 0,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[ServerEvent, None]:
    """All events after the one of this number. A connection that is lost is made anew; the reader ends it by closing.

    Raises:
        StreamInterrupted: the connection could not be had again for `policy.deadline` seconds, or there is no more.
        UmlError: the server refuses, or cannot be reached at all.
    """
    is_known, attempt, lost_at = False, 0, clock()
    while True:
        began, last, count = clock(), after, 0
        error: UmlError | None = None
        try:
            async with aclosing(connect(after)) as events:
                async for event in events:
                    count, after = count + 1, int(event.id) if event.id.isdecimal() else after
                    yield event
        except UmlError as failure:
            if not _may_pass(failure, is_known):
                raise
            error = failure
        has_no_more, has_no_numbers = not count and error is None, count and after == last
        error = error or StreamInterrupted(_CUT)
        if after > last or clock() - began > LASTING_SECONDS:
            attempt, lost_at = 0, clock()
        wait = policy.wait(attempt)
        if has_no_more or has_no_numbers or clock() + wait - lost_at > policy.deadline:
            raise error
        await sleep(wait)
        is_known, attempt = True, attempt + 1


def _may_pass(error: UmlError, is_known: bool) -> bool:
    """Whether the server may be there again in a moment. Before it has answered once, that has been tried already."""
    if isinstance(error, StreamInterrupted):
        return True
    return is_known and (isinstance(error, ConnectionFailed) or error.details.get("status") in _AWAY)


def label_header(label: GenerationLabel) -> str:
    """As the header X-Generation-Label has it; of a long question the beginning, and no id of a cell that is longer
    than any frontend's."""
    cell = label.cell if label.cell is None or len(json.dumps(label.cell)) <= MAX_CELL else None
    question = label.question[:MAX_QUESTION]
    while len(text := json.dumps({"kind": label.kind, "cell": cell, "question": question})) > MAX_LABEL:
        question = question[:-20]
    return text
