"""Answers that were asked for with a label: they go on without their reader, and are read again from any place."""

from __future__ import annotations

from jupyter_uml.client.calls import AsyncCalls, Calls, share_docstrings
from jupyter_uml.client.stream import AsyncStream, Opened, Stream
from jupyter_uml.types import GenerateRequest, GenerationLabel, GenerationStatus


class AsyncGenerations(AsyncCalls):
    """A part of the client."""

    async def generations(self, kernel: str | None = None) -> list[GenerationStatus]:
        """Those that run, and for a day those that have ended, the newest first. `kernel`: only what its notebook
        asked."""
        return await self._call(lambda transport: transport.generations(kernel))

    async def generation(self, generation_id: str) -> GenerationStatus:
        """One of them, by its id."""
        return await self._call(lambda transport: transport.generation(generation_id))

    def attach(self, generation_id: str) -> AsyncStream:
        """The answer from its beginning, as it was and as it goes on. Leaving it early stops it; `detach` does not.

        Raises:
            GenerationNotFound: there is none of this id, or not any more.
            EventsForgotten: it is so long that its beginning has been dropped.
        """
        return AsyncStream(GenerateRequest(generation_id, "", label=GenerationLabel()), self._attach)

    async def stop(self, generation_id: str) -> GenerationStatus:
        """Ends a generation; what has come is kept. One that has ended is forgotten."""
        return await self._call(lambda transport: transport.stop(generation_id))

    async def _attach(self, request: GenerateRequest) -> Opened:
        transport = await self.transport()
        status = await self._call(lambda transport: transport.generation(request.id))
        return Opened(status.model, transport.follow(request.id), transport.stop)


class Generations(Calls):
    """The same for synchronous code."""

    aio: AsyncGenerations

    def generations(self, kernel: str | None = None) -> list[GenerationStatus]:
        return self.background.run(self.aio.generations(kernel))

    def generation(self, generation_id: str) -> GenerationStatus:
        return self.background.run(self.aio.generation(generation_id))

    def attach(self, generation_id: str) -> Stream:
        return Stream(self.background, self.aio.attach(generation_id))

    def stop(self, generation_id: str) -> GenerationStatus:
        return self.background.run(self.aio.stop(generation_id))


share_docstrings(Generations, AsyncGenerations)
