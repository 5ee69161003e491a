"""What a real worker takes in memory for a model: its resident memory at its highest."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from jupyter_uml.loader.handle import WorkerEngine
from jupyter_uml.loader.memory.machine import peak_resident
from jupyter_uml.types import EffectiveSettings, GenerateRequest, LoadSettings, ModelSpec, SamplingParams


@dataclass(frozen=True)
class Measured:
    """Bytes: the peak after the load, and after a request that filled the context."""

    loaded: int
    peak: int
    settings: EffectiveSettings


async def measure(path: Path, settings: LoadSettings, draft: Path | None = None) -> Measured:
    spec = ModelSpec("measured", str(path), settings, draft_path=str(draft) if draft else None)
    engine = await WorkerEngine.start(spec, lambda _: None, lambda _: None)
    try:
        loaded = _peak(engine.pid)
        async with aclosing(engine.submit(_filling(engine.settings.n_ctx))) as chunks:
            assert [chunk async for chunk in chunks][-1].finish_reason == "length"
        return Measured(loaded, _peak(engine.pid), engine.settings)
    finally:
        await engine.close()


def _filling(n_ctx: int) -> GenerateRequest:
    """As many tokens as fit. A deterministic request is computed in batches of full size, whatever the machine does."""
    params = SamplingParams(max_tokens=2, ignore_eos=True)
    return GenerateRequest("fill", "measured", prompt=(5,) * (n_ctx - 2), params=params, deterministic=True)


def _peak(pid: int) -> int:
    peak = peak_resident(pid)
    assert peak is not None
    return peak
