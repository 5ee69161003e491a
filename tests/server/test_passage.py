"""What a request is charged for that did not end by itself."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from jupyter_uml.access import Limiter, Limits, Principal
from jupyter_uml.errors import Overloaded
from jupyter_uml.server.passage import Meter
from jupyter_uml.server.stream import ClientGoneError
from jupyter_uml.types import Chunk, Usage

KEY = Principal("key_1", "test", frozenset(("infer",)), limits=Limits(tokens_per_minute=100), by_key=True)


def left_after(error: BaseException | None, *chunks: Chunk) -> int:
    """Of 100 tokens, where a prompt of about 50 is read."""
    limiter = Limiter()
    lease = limiter.admit(KEY)
    with suppress(*([type(error)] if error else [])), Meter(50, lease.reserve(80)) as meter:
        for chunk in chunks:
            meter.add(chunk)
        if error is not None:
            raise error
    return int(limiter.headers(KEY)["x-ratelimit-remaining-tokens"])


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit(), ClientGoneError()])
def test_who_leaves_while_the_prompt_is_read_pays_for_it(error: BaseException) -> None:
    """Else whoever always leaves early would make the model read for nothing."""
    assert left_after(error) == 50
    assert left_after(error, Chunk("1", "Hello", 1)) == 49


def test_who_is_refused_pays_nothing() -> None:
    assert left_after(Overloaded("Later.", retry_after=1)) == 100


def test_who_leaves_at_the_end_pays_what_it_took() -> None:
    last = Chunk("1", "Hello", 1, "stop", usage=Usage(10, 1))
    assert left_after(None, last) == left_after(GeneratorExit(), last) == 89
