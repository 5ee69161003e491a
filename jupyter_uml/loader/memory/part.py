"""A part of what a worker takes in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PartName = Literal[
    "weights",
    "repacked",
    "kv_cache",
    "compute",
    "outputs",
    "tokenizer",
    "projector",
    "draft",
    "adapters",
    "cache",
    "process",
]


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes in RAM and on GPUs after one request that fills the context.

    Of those in RAM, `idle` are pages of a file that the kernel may drop at no cost. `later` come to them with further
    requests: more rows that are sampled from at once, images, saved prompts.
    """

    name: PartName
    ram: int
    gpu: int = 0
    idle: int = 0
    later: int = 0
