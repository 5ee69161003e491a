"""Answers that are kept in this process: as on a server, in chunks instead of events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from hashlib import sha256

from jupyter_uml.client.discover import own_kernel_id
from jupyter_uml.client.local_live import shown
from jupyter_uml.errors import UmlError
from jupyter_uml.generations import Asked, Generation, Generations
from jupyter_uml.live import Live
from jupyter_uml.service import Service
from jupyter_uml.types import Chunk, GenerateRequest, GenerationLabel, GenerationStatus

OWNER = "local"  # there is nobody else in a process
CHUNK_BYTES = 400  # of one in memory, beside its text
LOGPROB_BYTES = 200  # of a token with its log-probability, and of each alternative


async def ask(
    generations: Generations[Chunk], live: Live, service: Service, request: GenerateRequest, route: str
) -> AsyncGenerator[Chunk, None]:
    """The answer, which goes on when this is closed."""

    async def work(generation: Generation[Chunk]) -> None:
        generation.answer.model = request.model
        with shown(live, service, request.id, request.model, route, request.label) as verbs:
            verbs.run.stop_by = generation.stop
            async with aclosing(verbs.generate(request)) as chunks:
                async for chunk in chunks:
                    generation.tokens += chunk.tokens
                    generation.answer.add(chunk)
                    generation.add(chunk, size_of(chunk))

    label = request.label or GenerationLabel()
    asked = Asked(OWNER, request.id, sha256(repr(request).encode()).digest(), label, own_kernel_id())
    async with aclosing(_read(generations, generations.begin(asked, work))) as chunks:
        async for chunk in chunks:
            yield chunk


async def follow(generations: Generations[Chunk], generation_id: str, after: int = 0) -> AsyncGenerator[Chunk, None]:
    async with aclosing(_read(generations, generations.get(OWNER, generation_id), after)) as chunks:
        async for chunk in chunks:
            yield chunk


async def rows(generations: Generations[Chunk], kernel: str | None) -> list[GenerationStatus]:
    return [generation.status() for generation in generations.all(OWNER, kernel)]


async def row(generations: Generations[Chunk], generation_id: str) -> GenerationStatus:
    return generations.get(OWNER, generation_id).status()


async def stop(generations: Generations[Chunk], generation_id: str) -> GenerationStatus:
    return (await generations.stop(OWNER, generation_id)).status()


async def _read(
    generations: Generations[Chunk], generation: Generation[Chunk], after: int = 0
) -> AsyncGenerator[Chunk, None]:
    try:
        async with aclosing(generation.items(after)) as items:
            async for _, chunk in items:
                generation.read = generation.read or chunk.finish_reason is not None
                yield chunk
    except UmlError:
        generation.read = not generation.is_running
        if generation.failed_at_once:
            generations.discard(generation)  # it has been told, and there is nothing else of it
        raise


def size_of(chunk: Chunk) -> int:
    """Bytes in memory, about."""
    texts = len(chunk.text) + len(chunk.reasoning) + sum(len(call.arguments) for call in chunk.calls)
    return CHUNK_BYTES + texts + LOGPROB_BYTES * sum(1 + len(token.top) for token in chunk.logprobs)
