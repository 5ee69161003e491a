"""Kept answers as their cells show them: each state of one is rendered once, however many pages ask."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from jupyter_uml.display.bundle import answer_bundle
from jupyter_uml.display.note import answer_note, is_cut
from jupyter_uml.generations import Generation


@dataclass(slots=True)
class _Shown:
    """The last rendering, and of which state it is."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    state: tuple[str, int] | None = None
    data: dict[str, str] = field(default_factory=dict)


class Shown:
    """For one event loop. What it keeps goes with the generations."""

    def __init__(self) -> None:
        self._all: WeakKeyDictionary[Generation[Any], _Shown] = WeakKeyDictionary()

    async def bundle(self, generation: Generation[Any]) -> dict[str, str]:
        """As it is by now. Markdown of some length takes a second, which nobody else waits for, in a thread of its own:
        one for each answer."""
        shown = self._all.setdefault(generation, _Shown())
        async with shown.lock:
            state = (generation.state, generation.log.last)
            if state != shown.state:
                answer, note = generation.answer.copy(), _note(generation)
                warn = generation.state == "done" and is_cut(answer)
                shown.data = await asyncio.to_thread(answer_bundle, answer, note, warn)
                shown.state = state
            return shown.data


def _note(generation: Generation[Any]) -> str:
    answer = generation.answer
    match generation.state:
        case "running":
            return f"{answer.model} · …"
        case "failed":
            return f"{answer.model} · not complete"
    return answer_note(answer)
