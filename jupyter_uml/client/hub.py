"""Models from Hugging Face's hub: pulled, followed on their way, given up."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from jupyter_uml.client.calls import AsyncCalls, Calls, share_docstrings
from jupyter_uml.client.pulls import PullProgress


class AsyncHub(AsyncCalls):
    """A part of the client."""

    async def pull(self, name: str) -> AsyncGenerator[PullProgress, None]:
        """Brings a model from Hugging Face's hub: `owner/repository`, `owner/repository:quantisation`.

        Tells how far it is; the last row has the `model` to load. Whoever leaves early ends nothing: the pull goes on,
        and is followed again by the same call. `cancel_pull` ends it. It takes as long as it takes, whatever the
        client's time-out is.
        """
        async with aclosing((await self.transport()).pull(name)) as rows:
            async for row in rows:
                yield row

    async def pulls(self) -> list[PullProgress]:
        """The pulls that run."""
        return await self._call(lambda transport: transport.pulls())

    async def cancel_pull(self, pull_id: str) -> PullProgress:
        """Ends a pull. What has come is kept: the next pull goes on from there."""
        return await self._call(lambda transport: transport.cancel_pull(pull_id))


class Hub(Calls):
    """The same for synchronous code."""

    aio: AsyncHub

    def pull(self, name: str) -> Iterator[PullProgress]:
        return self.background.iterate(self.aio.pull(name))

    def pulls(self) -> list[PullProgress]:
        return self.background.run(self.aio.pulls())

    def cancel_pull(self, pull_id: str) -> PullProgress:
        return self.background.run(self.aio.cancel_pull(pull_id))


share_docstrings(Hub, AsyncHub)
