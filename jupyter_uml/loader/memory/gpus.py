"""GPUs and their free memory, asked in a child process: a driver that hangs or crashes harms nobody here."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence

import msgspec

from jupyter_uml.loader.memory.machine import Gpu

SECONDS = 30.0  # a driver that was asleep takes some to wake
_PASSED_ON = (
    *("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "SYSTEMROOT", "HOME"),
    *("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES"),
)
_ASK = (sys.executable, "-P", "-m", "jupyter_uml.engine.devices")

log = logging.getLogger(__name__)


def find_gpus(command: Sequence[str] = _ASK, seconds: float = SECONDS) -> tuple[Gpu, ...]:
    """Those that this build of llama.cpp can use; none where they cannot be asked for. Blocks for a second or more."""
    try:
        answer = subprocess.run(
            command, capture_output=True, check=True, timeout=seconds, stdin=subprocess.DEVNULL, env=environment()
        )
        return tuple(msgspec.json.decode(answer.stdout.splitlines()[-1], type=list[Gpu]))
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError, IndexError) as error:
        log.warning("llama.cpp could not be asked for GPUs: %s", type(error).__name__)
        return ()


def environment() -> dict[str, str]:
    """What a process sees that asks llama.cpp: enough to find its libraries and the GPUs, and no secret."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return passed_on | {"GGML_NO_BACKTRACE": "1"}  # a failed assertion must not start a debugger
