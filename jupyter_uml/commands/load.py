"""`jupyter uml load`: loads a model on the running server, and says with what settings."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict
from inspect import cleandoc

from traitlets import Bool, Unicode

from jupyter_uml.client import AsyncUniversalClient
from jupyter_uml.commands.progress_bar import ProgressBar, duration, percent, size
from jupyter_uml.commands.server_command import SettingsCommand
from jupyter_uml.errors import UmlError
from jupyter_uml.types import EffectiveSettings, ModelStatus

_ASK_SECONDS = 0.2


class LoadApp(SettingsCommand):
    """Load a model on the running server."""

    name = "jupyter uml load"
    description = (
        "Load a model on the running server and wait until it answers. What is not asked for, the server decides by "
        "the model and the memory there is; the settings that it runs with are printed. Where it is loaded already and "
        "the settings suit, nothing is loaded again. Exit status: 0 loaded, 1 not, 130 interrupted (the load goes on)."
    )
    examples = cleandoc("""
        jupyter uml load Qwen3-8B-Q4_K_M
        jupyter uml load Qwen3-8B-Q4_K_M --n-ctx 32768 --kv-type q8_0
        jupyter uml load demo --pin                 # never unloaded to make room
        jupyter uml load demo --keep-alive 2h       # after the last request; 0: at once, -1: never
    """)
    aliases = {**SettingsCommand.aliases, "keep-alive": "LoadApp.keep_alive"}  # noqa: RUF012
    flags = {  # noqa: RUF012
        **SettingsCommand.flags,
        "pin": ({"LoadApp": {"pin": True}}, "Never unload it to make room, or for want of use."),
        "no-pin": ({"LoadApp": {"pin": False}}, "Let go of a model that was pinned."),
    }
    keep_alive = Unicode(
        None, allow_none=True, help="How long it stays loaded when nobody asks: seconds, 10m, 2h; 0: not, -1: for ever."
    ).tag(config=True)
    pin = Bool(None, allow_none=True, help="Never unload it to make room, or for want of use.").tag(config=True)

    async def run(self) -> None:
        model = self.argument("model")
        started = time.monotonic()
        async with self.client() as client:
            status = await self._load(client, model)
        if self.as_json:
            self.print_json(asdict(status))
        else:
            seconds = time.monotonic() - started
            print(f"{status.id} is loaded{f', after {duration(seconds)}' if seconds >= 1 else ''}.")
            print("\n".join(f"  {name:<11} {value}" for name, value in told(status)))

    async def _load(self, client: AsyncUniversalClient, model: str) -> ModelStatus:
        """Load it, and show how far it is."""
        loading = asyncio.create_task(
            client.load(model, keep_alive=self.keep_alive, pin=self.pin, **self.settings()), name="load"
        )
        bar = ProgressBar()
        try:
            while not (await asyncio.wait([loading], timeout=_ASK_SECONDS))[0]:
                with contextlib.suppress(UmlError):  # the load itself tells what is wrong
                    row = await client.model(model)
                    bar.draw(row.progress or 0.0, _doing(row))
            return await loading
        finally:
            loading.cancel()
            bar.end()


def told(status: ModelStatus) -> Iterator[tuple[str, str]]:
    """What a loaded model runs with, in rows."""
    if status.settings is not None:
        yield from described(status.settings)
    memory = [f"{size(status.memory_bytes)} in use"] if status.memory_bytes else []
    memory += [f"{size(status.estimated_bytes)} expected"] if status.estimated_bytes else []
    memory += [f"{size(status.gpu_memory_bytes)} on the GPU"] if status.gpu_memory_bytes else []
    yield "memory", ", ".join(memory) or "not known"
    yield "stays", _stay(status)


def described(settings: EffectiveSettings) -> Iterator[tuple[str, str]]:
    """Rows: what it is, and what it is set to."""
    sequences = f"each of {settings.n_parallel} sequences" if settings.n_parallel > 1 else "one sequence"
    yield "context", f"{settings.n_ctx} tokens for {sequences}, {settings.kv_type} KV cache"
    prompts = settings.n_threads_batch or settings.n_threads
    differ = prompts != settings.n_threads
    yield "threads", f"{settings.n_threads} for answers, {prompts} for prompts" if differ else str(settings.n_threads)
    if settings.n_batch:
        yield "batch", f"{settings.n_batch} tokens"
    layers = settings.n_gpu_layers
    yield "GPU", "all layers" if layers < 0 else f"{layers} layers" if layers else "not used"
    if settings.draft_model:
        yield "draft", settings.draft_model
    if settings.lora:
        yield "LoRA", ", ".join(f"{lora.id} × {lora.scale:g}" for lora in settings.lora)


def _stay(status: ModelStatus) -> str:
    if status.pinned:
        return "until it is unloaded: it is pinned"
    if status.expires_in is not None:
        return f"{duration(status.expires_in)} more, if nobody asks"
    return "until it is unloaded, or idle when memory is short"


def _doing(row: ModelStatus) -> str:
    words = {"queued": "waits until there is room", "unloading": "waits for answers under way", "loaded": "ready"}
    return f"{percent(row.progress or 0.0)}  {words.get(row.state, row.state)}"
