"""What a worker process may take of the machine, and when it has to go. It sets all of this itself, at its start."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from pathlib import Path

from jupyter_uml.types import ModelSpec

# Added to the thousandths of the machine's memory that a process takes, when the system, short of memory, looks for one
# to kill (proc(5), oom_score_adj; 1000 is the most). So much more than others that a worker goes before Jupyter and the
# kernels, however much they hold: a model can be loaded again, what a person has computed can not.
OOM_SCORE = 900
_OPEN_FILES = 4096  # a model may come in hundreds of files
_THREAD_STACK_BYTES = 128 << 20
_STACK_BYTES = 512 << 20  # at most; only what is used becomes memory
# Beside what a model is expected to take: stacks, whose size counts in full, and what large prompts and images need.
_LEAST_HEADROOM = 2 << 30
_PR_SET_PDEATHSIG = 1


def settle() -> None:
    """For the start of a worker."""
    _die_with_parent()
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it would hold everybody's prompts, and be as large as the model
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    _deepen_stack()
    _volunteer()


def limit_memory(spec: ModelSpec) -> None:
    """Let allocations fail that go far beyond what the load may take. Mapped files, such as weights, do not count.

    Nothing is limited where a GPU is used: its driver claims address space as it likes.
    """
    if sys.platform != "linux" or spec.memory_limit is None or spec.settings.n_gpu_layers:
        return
    import resource

    beside = sum(Path(path).stat().st_size for path in (spec.draft_path, spec.projector_path) if path)
    expected = spec.memory_limit + spec.cache.ram_bytes + beside
    most = _data_bytes() + expected + max(_LEAST_HEADROOM, expected // 4)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _die_with_parent() -> None:
    """A second belt beside the end of stdin, for a worker stuck in C. Ctrl-C in a terminal is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _deepen_stack() -> None:
    """Some of llama.cpp's tokenizers recurse for each character of a word: the usual 8 MiB end at 30,000."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    most = _STACK_BYTES if hard == resource.RLIM_INFINITY else min(hard, _STACK_BYTES)
    resource.setrlimit(resource.RLIMIT_STACK, (most, hard))
    threading.stack_size(_THREAD_STACK_BYTES)  # address space, of which only what is used becomes memory


def _volunteer() -> None:
    """To be killed first, unless the whole of Jupyter is more dispensable than that already."""
    score = Path("/proc/self/oom_score_adj")
    try:
        if int(score.read_text()) < OOM_SCORE:
            score.write_text(str(OOM_SCORE))
    except OSError:  # not Linux, or not allowed
        pass


def _data_bytes() -> int:
    """What counts against the limit now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:")), 0)
