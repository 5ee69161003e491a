"""Made-up machines: one on which nothing is wrong, and ways to spoil it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jupyter_uml.commands.doctor.checks import examine
from jupyter_uml.commands.doctor.facts import (
    Facts,
    Folder,
    Installation,
    Limits,
    Memory,
    ModelFile,
    Processor,
    RunningServer,
)
from jupyter_uml.commands.doctor.finding import Finding
from jupyter_uml.loader.memory.build import Build
from jupyter_uml.loader.memory.machine import Machine
from jupyter_uml.types import EffectiveSettings, MemoryEstimate, MemoryPart

GIB = 1 << 30
LAPTOP = Processor("A processor", "x86_64", frozenset("avx avx2 fma f16c bmi2 avx512f".split()), 4, 8, None, 4)
MEMORY = Memory(32 * GIB, 24 * GIB, None, 8 * GIB, 0, 0.0, False)
BUILD = Build("0.3.36", frozenset({"AVX", "AVX2", "FMA", "F16C", "BMI2", "AVX512", "OPENMP"}), ("CPU",))
MODELS = Folder("models", "/home/me/models", wanted=True, total=500 * GIB, free=250 * GIB)
STATE = Folder("what servers tell each other", "/home/me/runtime", total=500 * GIB, free=250 * GIB, locks=True)
INSTALLATION = Installation(
    "1.0", "3.12.4", 64, "0.3.36", "0.3.36", True, True, {}, frozenset({"cmake"}), "/home/me/profiles", 0.0
)


def estimate(model: str = "mine", *, fits: bool = True, needed: int = 5 * GIB) -> MemoryEstimate:
    verdict = f"{'fits' if fits else 'does not fit'}: needs {needed / GIB:.1f} GiB, has 24.0 GiB"
    settings = EffectiveSettings(4096, 4, 4, 0, "f16")
    parts = (MemoryPart("weights", needed - GIB), MemoryPart("kv_cache", GIB), MemoryPart("cache", GIB))
    return MemoryEstimate(model, verdict, fits, fits, settings, needed, 24 * GIB, 32768 if fits else 0, parts)


MINE = ModelFile("mine", "folder", "gguf", "model", 4 * GIB, estimate=estimate())
HEALTHY = Facts(
    system="linux",
    processor=LAPTOP,
    memory=MEMORY,
    limits=Limits(20_000, None, None),
    cards=(),
    gpus=(),
    build=BUILD,
    folders=(MODELS, STATE),
    models=(MINE,),
    installation=INSTALLATION,
    machine=Machine(32 * GIB, 24 * GIB, features=LAPTOP.features),
    servers=(RunningServer("http://127.0.0.1:8000/uml", "1.0"),),
    workers=(),
)


def spoilt(part: str = "", **changes: Any) -> Facts:
    """The healthy machine with a part of it changed, or fields of its own."""
    return replace(HEALTHY, **({part: replace(getattr(HEALTHY, part), **changes)} if part else changes))


def wrong(facts: Facts) -> list[Finding]:
    """What is found, but for that which is in order."""
    return [finding for finding in examine(facts) if finding.level != "ok"]
