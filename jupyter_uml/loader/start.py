"""From nothing to a worker with a loaded model, or to nothing again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from jupyter_uml import ipc
from jupyter_uml.errors import ModelLoadFailed, UmlError
from jupyter_uml.loader.process import WorkerProcess
from jupyter_uml.loader.vitals.process_reading import ProcessReader
from jupyter_uml.loader.vitals.watchdog import Patience, Watchdog
from jupyter_uml.types import ModelSpec


async def start_worker(
    spec: ModelSpec, on_spawn: Callable[[int], None], on_progress: Callable[[float], None], patience: Patience
) -> tuple[WorkerProcess, ipc.Loaded]:
    """Spawn a worker, tell its pid to `on_spawn`, and load the model.

    Raises:
        ModelLoadFailed: the file cannot be loaded, killed the worker, or makes it hang.
        UmlError: as the worker found.
    """
    process = await WorkerProcess.spawn()
    try:
        on_spawn(process.pid)
        await _await_ready(process, spec, patience)
        process.post(ipc.Load(spec))
        watching = asyncio.create_task(_watch(process, watchdog := Watchdog(patience), patience.interval))
        try:
            return process, await _await_loaded(process, spec, on_progress, watchdog)
        finally:
            watching.cancel()
    except BaseException:  # cancelled or failed: nothing may be left behind
        await process.close()
        raise


async def _await_ready(process: WorkerProcess, spec: ModelSpec, patience: Patience) -> None:
    try:
        async with asyncio.timeout(patience.handshake):
            ready = await process.receive()
    except TimeoutError:
        process.kill(f"It did not start in {patience.handshake:g} s.")
        ready = None
    if ready is None:
        raise _failed(f"The worker process of {spec.id} did not start.", await process.last_words())
    if not isinstance(ready, ipc.Ready) or ready.protocol != ipc.PROTOCOL:
        raise ModelLoadFailed(
            "The installed jupyter_uml is another version than the one that runs. Restart the server.", retry_after=5
        )


async def _await_loaded(
    process: WorkerProcess, spec: ModelSpec, on_progress: Callable[[float], None], watchdog: Watchdog
) -> ipc.Loaded:
    while True:
        message = await process.receive()
        watchdog.heard()
        match message:
            case ipc.Progress(fraction):
                on_progress(fraction)
            case ipc.Pong(beats, counted):
                watchdog.beat(beats, counted=counted)
            case ipc.Loaded() as loaded:
                return loaded
            case ipc.LoadFailed(error):
                raise UmlError.from_dict(error)
            case _:
                raise _failed(f"{spec.id} could not be loaded.", await process.last_words())


async def _watch(process: WorkerProcess, watchdog: Watchdog, interval: float) -> None:
    """Kill a worker that hangs."""
    reader = ProcessReader()
    while True:
        process.post(ipc.Ping())
        await asyncio.sleep(interval)
        if (why := watchdog.look(reader.read([process.pid]).get(process.pid))) is not None:
            process.kill(why)


def _failed(what: str, last_words: str) -> ModelLoadFailed:
    cause, _, log = last_words.partition("\n")
    return ModelLoadFailed(f"{what} {cause}" + (f"\nThe end of its log:\n{log}." if log else ""), retry_after=5)
