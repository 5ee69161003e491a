"""How the installed llama.cpp was built, asked in a child process: the build itself may be what does not run here."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from jupyter_uml.loader.memory.gpus import environment

SECONDS = 10.0
_ASK = (sys.executable, "-P", "-m", "jupyter_uml.engine.build")
_LONGEST = 200  # characters of an error


@dataclass(frozen=True, slots=True)
class Build:
    """`features`, `backends`: as llama.cpp names them (`AVX2`; `CPU`, `CUDA`). `gpu`: it can compute on GPUs.

    `fault`: why it could not be asked; then no model can be loaded either, and the rest is empty.
    """

    version: str = ""
    features: frozenset[str] = frozenset()
    backends: tuple[str, ...] = ()
    gpu: bool = False
    fault: str | None = None


def find_build(command: Sequence[str] = _ASK, seconds: float = SECONDS) -> Build:
    """Blocks for a third of a second or more."""
    try:
        answer = subprocess.run(
            command, check=False, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL, env=environment()
        )
    except subprocess.TimeoutExpired:
        return Build(fault=f"it did not answer within {seconds:g} s")
    except OSError as error:
        return Build(fault=str(error.strerror))
    if answer.returncode:
        return Build(fault=_fault(answer.returncode, answer.stderr.decode(errors="replace")))
    try:
        return msgspec.json.decode(answer.stdout.splitlines()[-1], type=Build)
    except (msgspec.MsgspecError, IndexError):
        return Build(fault="its answer cannot be understood")


def _fault(code: int, log: str) -> str:
    """The name of the signal that ended it, or the last line of what it said."""
    if code < 0:
        return f"it was ended by {_signal(-code)}"
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), f"exit code {code}")
    return last[:_LONGEST]


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
