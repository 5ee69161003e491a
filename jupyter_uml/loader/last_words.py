"""Why a worker ended, in words that may be shown to whoever asked: no path, no address and no prompt in them."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable

_LINES, _LINE, _ALL = 5, 160, 500  # lines, and characters in one of them and in all
# Whatever holds a slash, also where that is a rate such as tokens/s. In quotes there may be spaces in it.
_PATH = re.compile(r"""(['"`])[^'"`]*[\\/][^'"`]*\1|(?:\b[A-Za-z]:)?[^\s'"`:;,()<>|]*[\\/][^\s'"`:;,()<>|]*""")
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+|\b[0-9a-fA-F]{12,}\b|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b")
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)?")
# Of Python's reports only the kind of error is taken: what it says may hold a piece of a prompt.
_EXCEPTION = re.compile(r"^(?:\w+\.)*(\w*(?:Error|Exception|Interrupt|Exit)\b)")

_SIGNALS = {
    "SIGKILL": "was killed by the system, likely for want of memory",
    "SIGSEGV": "crashed: llama.cpp reached for memory that is not its own",
    "SIGBUS": "crashed: a file that it had mapped was cut short, or its disk failed",
    "SIGILL": "crashed: this build of llama.cpp uses instructions that this CPU lacks",
    "SIGFPE": "crashed: llama.cpp divided by zero",
    "SIGABRT": "was ended by llama.cpp or the C library, which found something wrong or no memory left",
    "SIGTERM": "was ended from outside",
    "SIGHUP": "was ended from outside",
    "SIGXCPU": "was ended by the system for using too much CPU time",
}


def cause_of_death(returncode: int | None) -> str:
    """What the exit code says of a process: "The worker process was killed by …".

    `returncode`: negative for a signal; None: not known.
    """
    if returncode is None:
        return "The worker process ended."
    if returncode >= 0:
        return f"The worker process ended with exit code {returncode}."
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    return f"The worker process {_SIGNALS.get(name, 'was ended')} ({name})."


def log_tail(lines: Iterable[str]) -> str:
    """The last lines of a worker's log, as far as they may be shown; empty where there are none."""
    kept: list[str] = []
    for line in reversed([shown for line in lines if (shown := _shown(line))]):
        if len(kept) == _LINES or sum(map(len, kept)) + len(line) > _ALL:
            break
        kept.append(line)
    return "\n".join(reversed(kept))


def _shown(line: str) -> str:
    if line.startswith(("Traceback", " ", "\t")):  # Python's, and the lines of code in it
        return ""
    if found := _EXCEPTION.match(line):
        return found[1]
    line = _ESCAPE.sub("", line)
    line = "".join(each if each.isprintable() else " " for each in line)
    line = _ADDRESS.sub("…", _PATH.sub("…", line)).strip()
    return line if len(line) <= _LINE else line[: _LINE - 1] + "…"
