"""Whether a model would fit into memory, told while settings are chosen: for them, and for all lengths of context."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from jupyter_uml.client import UniversalClient
from jupyter_uml.client.loop_thread import Job
from jupyter_uml.errors import ConnectionFailed, RouteNotFound, UmlError
from jupyter_uml.kernel import notes
from jupyter_uml.kernel.load_options import whole
from jupyter_uml.types import MemoryEstimate, MemoryPart, ModelStatus

QUIET_SECONDS = 0.2  # without a change, before the server is asked
SMALLEST_CONTEXT, USUAL_CONTEXT = 256, 32_768  # tokens

# What is told together, in the order in which it is drawn.
GROUPS = (
    ("weights", "repacked"),
    ("kv_cache",),
    ("compute", "outputs", "tokenizer", "process", "learned"),
    ("projector", "draft", "adapters"),
)

Told = dict[str, Any]


class Forecast:
    """`tell(fit, points)`, on the client's thread: `fit` is of the settings that were `asked` about, `points` are
    `[n_ctx, bytes of each group]` from the shortest to the longest context; None: as they were.

    In between, memory grows nearly as a straight line, so that a page can draw each length without asking.
    """

    def __init__(self, client: UniversalClient, tell: Callable[[Told, list[list[int]] | None], object]) -> None:
        self._client, self._tell = client, tell
        self._job: Job[None] | None = None
        self._model: str | None = None
        self._drawn: object = None

    def ask(self, row: ModelStatus | None, settings: Told) -> None:
        """About a model as it would be loaded with `settings`, or is; returns at once."""
        self.close()
        if row is None or row.id != self._model:
            self._model, self._drawn = row.id if row else None, None
            self._tell({}, [])  # what is shown is about another one
        if row is not None:
            self._job = self._client.background.start(self._ask(row, whole(settings, row.settings), settings))

    def say(self, text: str) -> None:
        """Instead of a verdict."""
        self.close()
        self._tell({"text": text, "tone": "bad"}, None)

    def close(self) -> None:
        if self._job is not None:
            self._job.cancel()

    async def _ask(self, row: ModelStatus, settings: Told, asked: Told) -> None:
        await asyncio.sleep(QUIET_SECONDS)
        try:
            estimate = await self._client.aio.estimate(row.id, **settings)
            told = {**_told(estimate, "n_ctx" in settings), "asked": asked}
            self._tell(told, None)
            others = {name: value for name, value in settings.items() if name != "n_ctx"}
            if (about := (row.id, row.state, others)) != self._drawn:
                points = [await self._point(row.id, n_ctx, others) for n_ctx in _lengths(row, estimate)]
                self._drawn = about
                self._tell(told, points)
        except (ConnectionFailed, RouteNotFound):
            self._tell({}, [])  # an older server, or none: the panel itself says so
        except UmlError as error:
            self._tell({"text": str(error), "tone": "bad"}, None)

    async def _point(self, model: str, n_ctx: int, others: Told) -> list[int]:
        estimate = await self._client.aio.estimate(model, n_ctx=n_ctx, **others)
        return [n_ctx, *_grouped(estimate.wished_parts or estimate.parts)]


def _told(estimate: MemoryEstimate, with_context: bool) -> Told:
    """Of a context that was asked for what that takes, else what the one takes that would be chosen."""
    parts = estimate.wished_parts if with_context and estimate.wished_parts else estimate.parts
    verdict = estimate.verdict[:1].upper() + estimate.verdict[1:]
    good = estimate.as_wished and not estimate.unloads
    return {
        "text": " · ".join(part for part in (verdict, notes.fit_note(estimate)) if part),
        "tone": "bad" if not estimate.fits else "good" if good else "warn",
        "parts": _grouped(parts),
        "available": estimate.available_bytes,
        "largest": estimate.largest_context,
        "chosen": asdict(estimate.settings),
        "gpu": sum(part.gpu for part in parts),
    }


def _grouped(parts: Sequence[MemoryPart]) -> list[int]:
    """RAM; what is only taken of what is left over does not count."""
    needed = {part.name: part.ram for part in parts if part.needed}
    return [max(0, sum(needed.get(name, 0) for name in group)) for group in GROUPS]


def _lengths(row: ModelStatus, estimate: MemoryEstimate) -> Iterator[int]:
    """A few, from the shortest to the longest."""
    longest, n_ctx = longest_context(row) or max(USUAL_CONTEXT, estimate.largest_context), SMALLEST_CONTEXT
    while n_ctx < longest:
        yield n_ctx
        n_ctx *= 2
    yield longest


def longest_context(row: ModelStatus) -> int:
    """Tokens with which the model was trained; 0: not known."""
    return (row.info.n_ctx_train if row.info else 0) or (row.facts.n_ctx_train if row.facts else 0)
