"""`jupyter uml estimate`: whether a model fits, before it is loaded; with or without a server that runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from inspect import cleandoc

from jupyter_uml.commands.load import described
from jupyter_uml.commands.progress_bar import size
from jupyter_uml.commands.server_command import SettingsCommand
from jupyter_uml.types import MemoryEstimate

_WORDS = {"kv_cache": "KV cache", "process": "process", "compute": "compute buffers"}


class EstimateApp(SettingsCommand):
    """Say whether a model fits."""

    name = "jupyter uml estimate"
    description = (
        "Say whether a model fits into memory as it is now, with which settings it would be loaded, and what takes "
        "how much. Nothing is loaded. Exit status: 0 it fits, 1 it does not."
    )
    examples = cleandoc("""
        jupyter uml estimate Qwen3-8B-Q4_K_M
        jupyter uml estimate Qwen3-8B-Q4_K_M --n-ctx 131072 --n-parallel 1
    """)

    async def run(self) -> None:
        model = self.argument("model")
        async with self.client(or_here=True) as client:
            estimate = await client.estimate(model, **self.settings())
        if self.as_json:
            self.print_json(asdict(estimate))
        else:
            print("\n".join(told(estimate)))
        if not estimate.fits:
            self.exit(1)


def told(estimate: MemoryEstimate) -> Iterator[str]:
    yield f"{estimate.model} {estimate.verdict}."
    if estimate.unloads:
        yield f"Idle models would make room: {', '.join(estimate.unloads)}."
    if estimate.fits:
        yield "It would be loaded with:"
        yield from (f"  {name:<15} {value}" for name, value in described(estimate.settings))
        yield f"  {'longest':<15} {estimate.largest_context} tokens with the other settings as they are"
    else:
        yield "The least that was tried:"
    yield "It takes:" if estimate.fits else "It would take:"
    parts = [part for part in estimate.parts if part.needed]
    for part in parts:
        name = _WORDS.get(part.name, part.name.replace("_", " "))
        on_gpu = f", {size(part.gpu)} on the GPU" if part.gpu else ""
        yield f"  {name:<15} {size(part.ram):>10}{on_gpu}"
    total, gpu = sum(part.ram for part in parts), sum(part.gpu for part in parts)
    yield f"  {'in all':<15} {size(total):>10}{f', {size(gpu)} on the GPU' if gpu else ''}"
    for part in estimate.parts:
        if part.name == "cache":
            yield f"Beside that it keeps computed prompts, in up to {size(part.ram)}."
