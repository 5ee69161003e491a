"""What pages are shown of a kept answer."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from jupyter_uml.generations import Asked, Generation, Generations
from jupyter_uml.server import shown
from jupyter_uml.types import Chunk, GenerationLabel


@pytest.mark.anyio
async def test_each_state_of_an_answer_is_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[str] = []
    real = shown.answer_bundle

    def counted(answer: object, note: str, warn: bool = False) -> dict[str, str]:
        rendered.append(note)
        return real(answer, note, warn)  # type: ignore[arg-type]

    monkeypatch.setattr(shown, "answer_bundle", counted)
    go_on = asyncio.Event()

    async def work(generation: Generation[bytes]) -> None:
        generation.answer.model = "demo"
        for text in ("Hello", " there"):
            generation.answer.add(Chunk("id", text))
            generation.add(b"event", 5)
            await go_on.wait()

    generations, pages = Generations[bytes](), shown.Shown()
    asked = Asked("me", "generation", hashlib.sha256().digest(), GenerationLabel())
    generation = generations.begin(asked, work)
    try:
        while not generation.log.last:
            await asyncio.sleep(0)
        first, again = await asyncio.gather(pages.bundle(generation), pages.bundle(generation))
        assert first is again
        assert first["text/plain"] == "Hello"
        go_on.set()
        async for _ in generation.items():
            pass
        assert (await pages.bundle(generation))["text/plain"] == "Hello there"
        assert len(rendered) == 2
    finally:
        await generations.aclose()
