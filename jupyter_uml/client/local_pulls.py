"""Pulls of this very process, told of as a server would tell."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from jupyter_uml.client.pulls import PullProgress
from jupyter_uml.loader.hub.hub import Progress
from jupyter_uml.loader.hub.name import PullName
from jupyter_uml.loader.hub.pull import Found, Pull, Pulled, PullEvent
from jupyter_uml.service import Service


async def follow_pull(service: Service, name: str) -> AsyncGenerator[PullProgress, None]:
    """Begins a pull, or joins the one of this name that runs. Closing it ends nothing.

    Raises:
        UmlError: it failed or was cancelled.
    """
    pull = service.pulls.start(PullName.parse(name))
    row = PullProgress(pull.id, str(pull.name))
    async with aclosing(pull.events()) as events:
        async for event in events:
            row = row.after(*_told(event))
            yield row


async def running_pulls(service: Service) -> list[PullProgress]:
    return [_row(pull) for pull in service.pulls.running()]


async def cancel_pull(service: Service, pull_id: str) -> PullProgress:
    return _row(await service.pulls.cancel(pull_id))


def _row(pull: Pull) -> PullProgress:
    row = PullProgress(pull.id, str(pull.name))
    for event in (pull.found, pull.progress):
        if event is not None:
            row = row.after(*_told(event))
    return row


def _told(event: PullEvent) -> tuple[str, dict[str, Any]]:
    match event:
        case Found(listing, choice):
            return "found", {
                "commit": listing.commit,
                "quantisation": choice.offer.quantisation,
                "files": [file.path for file in choice.files],
                "size_bytes": choice.size_bytes,
                "why": choice.why,
            }
        case Progress():
            return "progress", asdict(event)
        case Pulled():
            return "done", asdict(event)
