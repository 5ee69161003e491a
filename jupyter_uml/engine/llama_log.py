"""llama.cpp's own log: errors and warnings go to stderr, the last ones are kept to explain a failed load."""

from __future__ import annotations

import ctypes
import re
import sys
from collections import deque

import llama_cpp

_WARNING, _ERROR, _CONTINUES = 3, 4, 5  # ggml.h: enum ggml_log_level
_recent: deque[str] = deque(maxlen=20)
_shown = False  # whether the line that a continuation belongs to was worth showing


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def callback(level: int, text: bytes, _user_data: ctypes.c_void_p) -> None:
    global _shown  # noqa: PLW0603  the log belongs to the process, as llama.cpp's does
    if level != _CONTINUES:
        _shown = level in (_WARNING, _ERROR)
    if _shown:
        sys.stderr.write(text.decode("utf-8", errors="replace"))
        sys.stderr.flush()
    if level == _ERROR:
        _recent.append(text.decode("utf-8", errors="replace").strip())


def capture() -> None:
    """Route the log here. Without it llama-cpp-python's handler drops warnings."""
    llama_cpp.llama_log_set(callback, ctypes.c_void_p(0))


def forget() -> None:
    """Start a new chapter: `first_error` looks back to here."""
    _recent.clear()


def first_error() -> str:
    """The first error of the chapter, without paths: it is the cause, those after it only say that loading failed."""
    return _without_paths(_recent[0]) if _recent else "llama.cpp gave no reason"


def _without_paths(line: str) -> str:
    line = re.sub(r"^\w+: ", "", line)
    return re.sub(r"'?(/[^\s']+)+'?", "the file", line)[:200].rstrip(".")
