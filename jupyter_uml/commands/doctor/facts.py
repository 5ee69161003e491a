"""What the checks look at: a machine, an installation and its models, as plain values. Nothing is read here."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_uml.loader.memory.build import Build
from jupyter_uml.loader.memory.machine import Gpu, Machine
from jupyter_uml.types import MemoryEstimate


@dataclass(frozen=True, slots=True)
class Processor:
    """`features`: as Linux names them. `cores`: physical ones. `allowed`: CPUs that this process may use.

    `quota`: CPUs' worth of time that a cgroup grants; None: no limit. `threads`: with which a large model would run.
    """

    name: str
    architecture: str
    features: frozenset[str]
    cores: int
    allowed: int
    quota: float | None
    threads: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. `ram`: of the machine. `limit`: of the strictest cgroup. `available`: without swapping, to us.

    `swapped_in`: bytes a second that came back from swap while we looked. `strict`: the kernel promises no more than
    there is (`vm.overcommit_memory` is 2). `configured`: what all models of a server may take together; None: all.
    """

    ram: int
    available: int
    limit: int | None
    swap: int
    swap_used: int
    swapped_in: float
    strict: bool
    configured: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Of this process, as `ulimit` sets them; None: no limit. `files`: open ones; the others in bytes."""

    files: int | None
    address_space: int | None
    data: int | None


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU that the machine has, whether anything can use it or not. `vendor`: NVIDIA, AMD, Intel or Apple.

    `driver`: its driver is there, and this process may ask it. `integrated`: it computes in the machine's own memory.
    """

    vendor: str
    name: str
    driver: bool = True
    integrated: bool = False


@dataclass(frozen=True, slots=True)
class Folder:
    """A place that is used. `what`: in words; `wanted`: somebody has configured it. Bytes.

    `answers`: its disk does not hang. `network`: the kind of its file system, where that is one of a network. `locks`:
    files in it can be locked.
    """

    what: str
    path: str
    answers: bool = True
    exists: bool = True
    readable: bool = True
    writable: bool = True
    wanted: bool = False
    total: int = 0
    free: int = 0
    network: str | None = None
    locks: bool | None = None  # None: not tried


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A row of the catalog. `kind`: model, adapter, projector or other. `reason`: why it cannot be loaded. `broken`: as
    what its file holds cannot be read.

    `estimate`: how it fits; None: not known, then `fault` says why, or there was no time to look.
    `speed`: tokens a second of one answer, as it was measured here; None: it was not.
    """

    id: str
    source: str
    format: str
    kind: str
    size: int
    reason: str | None = None
    estimate: MemoryEstimate | None = None
    fault: str | None = None
    speed: float | None = None
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Installation:
    """`tested`: the version of llama-cpp-python that this release was tested with. `llama`: the one that is there.

    `extension`: jupyter_server's own word: None, it does not know of us. `labextension`: its folder is whole; None:
    JupyterLab is not installed. `environment`: variables that matter. `profiles`: their folder.
    """

    version: str
    python: str
    bits: int
    llama: str | None
    tested: str | None
    extension: bool | None
    labextension: bool | None
    environment: dict[str, str]
    tools: frozenset[str]
    profiles: str
    clock_behind: float  # seconds that the clock is behind the newest of our files


@dataclass(frozen=True, slots=True)
class RunningServer:
    """`version`: of the jupyter_uml that answered; None: nothing did. `named`: the environment names it."""

    url: str
    version: str | None = None
    named: bool = False


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that has a model. `server`: the process that started it; None: that is gone. Bytes."""

    pid: int
    memory: int
    server: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known. `gpus`: those that llama.cpp can use. `system`: linux, darwin or win32. `machine`: what there
    is for one more model, less what has been promised to others.
    """

    system: str
    processor: Processor
    memory: Memory
    limits: Limits
    cards: tuple[Card, ...]
    gpus: tuple[Gpu, ...]
    build: Build
    folders: tuple[Folder, ...]
    models: tuple[ModelFile, ...]
    installation: Installation
    machine: Machine
    servers: tuple[RunningServer, ...]
    workers: tuple[Worker, ...]
