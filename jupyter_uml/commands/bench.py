"""`jupyter uml bench`: how fast a model computes on this machine, and what its next load makes of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from inspect import cleandoc

from jupyter_uml.client import AsyncUniversalClient
from jupyter_uml.commands.server_command import ServerCommand
from jupyter_uml.commands.terminal_text import columns_of, table, wrapped
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import Speed, SpeedPoint

_NOTABLE = 1.01  # times as fast; less is not told


class BenchApp(ServerCommand):
    """Measure how fast a model computes."""

    name = "jupyter uml bench"
    description = (
        "Measure for 5 seconds how fast a model computes on this machine: prompts (prefill) and answers (decode), with "
        "several counts of threads and sizes of batches. What is best is stored, and the model's next load uses it "
        "where nothing else is asked for. Without a name, the model that is loaded. Requests of others go first. "
        "Exit status: 0 it is measured, 1 it is not."
    )
    examples = cleandoc("""
        jupyter uml bench                     # the one that is loaded
        jupyter uml bench Qwen3-8B-Q4_K_M
        jupyter uml bench demo --json
    """)

    async def run(self) -> None:
        async with self.client(or_here=True) as client:
            model = self.argument("model") if self.extra_args else await _loaded(client)
            speed = await client.measure(model)
        if self.as_json:
            self.print_json(asdict(speed))
        else:
            print("\n".join(told(speed, columns_of(sys.stdout))))


async def _loaded(client: AsyncUniversalClient) -> str:
    """
    Raises:
        InvalidRequest: there is none, or more than one.
    """
    loaded = [status.id for status in await client.models() if status.state == "loaded" and not status.base]
    if len(loaded) != 1:
        there = f"{len(loaded)} are loaded: {', '.join(loaded)}" if loaded else "none is loaded"
        raise InvalidRequest(f"Say which model: {BenchApp.name} MODEL ({there})")
    return loaded[0]


def told(speed: Speed, columns: int) -> Iterator[str]:
    """A table, and what comes of it."""
    own = speed.settings
    in_use = {(own.n_threads_batch or own.n_threads, own.n_batch)}
    rows = [_row("prompt", f"{point.batch} tokens", point, in_use) for point in speed.prefill]
    answers = {(own.n_threads, count) for count in (1, own.n_parallel)}
    for point in speed.decode:
        together = "1 sequence" if point.batch == 1 else f"{point.batch} sequences"
        rows.append(_row("answer", together, point, answers))
    yield table(["", "at once", "threads", "tokens/s", ""], rows, right="threads tokens/s")
    yield wrapped(f"Next load: {_advice(speed)}", columns)


def _row(kind: str, at_once: str, point: SpeedPoint, in_use: set[tuple[int, int]]) -> list[str]:
    now = "now" if (point.threads, point.batch) in in_use else ""
    return [kind, at_once, str(point.threads), f"{point.tokens_per_second:.1f}", now]


def _advice(speed: Speed) -> str:
    advice, parts = speed.advice, list[str]()
    if advice.n_threads == advice.n_threads_batch and advice.n_threads:
        parts.append(_counted(advice.n_threads, "thread"))
    elif advice.n_threads:
        parts.append(f"{_counted(advice.n_threads, 'thread')} for answers, {advice.n_threads_batch} for prompts")
    if advice.n_batch:
        parts.append(f"batches of {advice.n_batch} tokens")
    what = " and ".join(parts) or "the usual threads and batches; nothing else is faster beyond the noise"
    gains = [("prompts", speed.prefill_gain), ("answers", speed.decode_gain)]
    faster = [f"{name} {gain:.2f} times as fast as now" for name, gain in gains if abs(gain - 1) >= _NOTABLE - 1]
    return f"{what}. Expected: {', '.join(faster) or 'as fast as now'}."


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
