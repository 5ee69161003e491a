"""What the service adds to the loader: turns, so that nobody's requests stand in everybody's way."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing

import pytest

from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.loader import UniversalLoader
from jupyter_uml.service import Service
from jupyter_uml.types import Chunk, GenerateRequest, SamplingParams, TokenizeRequest

SECONDS = 60.0


def asked(number: int) -> GenerateRequest:
    params = SamplingParams(max_tokens=20, ignore_eos=True)
    return GenerateRequest(f"r{number}", "demo", prompt="Tell me", params=params)


async def whole(service: Service, request: GenerateRequest) -> list[Chunk]:
    async with aclosing(service.generate(request)) as chunks:
        return [chunk async for chunk in chunks]


@pytest.mark.anyio
async def test_readers_who_do_not_read_keep_nobody_waiting() -> None:
    """The engine is done with their answers soon; that nobody takes them must not keep it from others."""
    service = Service(UniversalLoader(Catalog()))
    try:
        settings = (await service.load("demo")).settings
        assert settings is not None
        async with AsyncExitStack() as unread, asyncio.timeout(SECONDS):
            for number in range(3 * settings.n_parallel):
                chunks = await unread.enter_async_context(aclosing(service.generate(asked(number))))
                assert (await anext(chunks)).finish_reason is None
            answer = await whole(service, asked(99))
            tokens = await service.compute(TokenizeRequest("t", "demo", ("Hi",)))
        assert answer[-1].finish_reason == "length"
        assert tokens.tokens
    finally:
        await service.aclose()
