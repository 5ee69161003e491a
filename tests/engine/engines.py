"""Engines on real models, and how tests drive them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any

from jupyter_uml.demo import demo_model_path
from jupyter_uml.engine.engine import Engine
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.state_store import StateStore
from jupyter_uml.types import Chunk, GenerateRequest, LoadSettings, Message, ModelSpec, SamplingParams
from tests.conftest import endless_model

QUESTIONS = ["How do I load a model?", "Who are you?", "What is GGUF?", "How do I stop an answer?", "Hello!", "Thanks"]
GREEDY = SamplingParams(temperature=0, max_tokens=40)
_numbers = count()


def spec(path: Path | None = None, **settings: int) -> ModelSpec:
    return ModelSpec("demo", str(path or demo_model_path()), LoadSettings(n_threads=1, **settings))


def make_engine(
    path: Path | None = None, store: StateStore | None = None, worth_disk_seconds: float = 0.5, **settings: int
) -> Engine:
    model = Model(spec(path, **settings))
    return Engine(model, model.settings(model.spec.settings), store, worth_disk_seconds)


def endless_file(folder: Path) -> Path:
    """A model that talks without end, over a context of up to 32,768 tokens."""
    path = folder / "endless.gguf"
    path.write_bytes(endless_model())
    return path


def chat(text: str, params: SamplingParams = GREEDY, principal: str = "local", **fields: Any) -> GenerateRequest:
    message = (Message("user", text),)
    return GenerateRequest(f"r{next(_numbers)}", "demo", messages=message, params=params, principal=principal, **fields)


def raw(
    prompt: str | Iterable[int], params: SamplingParams = GREEDY, principal: str = "local", **fields: Any
) -> GenerateRequest:
    """A request that no chat template touches."""
    given = prompt if isinstance(prompt, str) else tuple(prompt)
    return GenerateRequest(f"r{next(_numbers)}", "demo", prompt=given, params=params, principal=principal, **fields)


def story(length: int, seed: int = 0) -> list[int]:
    """Random tokens of the demo model's vocabulary, none of which is special."""
    return random.Random(seed).choices(range(300, 2000), k=length)


def run(engine: Engine) -> dict[str, list[Chunk]]:
    """Step until there is nothing to do; the chunks of each request."""
    answers: dict[str, list[Chunk]] = {}
    while engine.busy:
        for output in engine.step():
            assert isinstance(output, Chunk)
            answers.setdefault(output.request_id, []).append(output)
    return answers


def text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def answer(engine: Engine, request: GenerateRequest) -> list[Chunk]:
    engine.add(request)
    return run(engine)[request.id]
