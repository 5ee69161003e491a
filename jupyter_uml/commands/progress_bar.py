"""A bar in a terminal, or a line now and then in a file."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

from jupyter_uml.loader.hub.hub import Progress

_BAR = 24  # columns
_LINE_SECONDS = 15.0
_WORDS = {
    "waiting": "another process is downloading it",
    "retrying": "trying again",
    "verifying": "checking",
    "downloading": "",
}


class ProgressBar:
    """Shows progress as it comes."""

    def __init__(self, out: TextIO = sys.stderr, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._clock = out, clock
        self._is_terminal = out.isatty()
        self._shown_at = -_LINE_SECONDS
        self._open = False  # a line that is not ended

    def show(self, progress: Progress) -> None:
        self.draw(_share(progress), described(progress))

    def draw(self, share: float, words: str) -> None:
        """`share`: 0 to 1."""
        if self._is_terminal:
            columns = shutil.get_terminal_size().columns
            filled = int(share * _BAR)
            line = f"{'█' * filled}{'░' * (_BAR - filled)} {words}"
            self._out.write(f"\r\x1b[K{line[: columns - 1]}")
            self._open = True
        elif self._clock() - self._shown_at >= _LINE_SECONDS:
            self._out.write(f"{words}\n")
            self._shown_at = self._clock()
        self._out.flush()

    def end(self) -> None:
        if self._open:
            self._out.write("\n")
            self._out.flush()
            self._open = False


def described(progress: Progress) -> str:
    parts = [percent(_share(progress)), f"{size(progress.bytes)} of {size(progress.total_bytes)}"]
    if progress.bytes_per_second is not None:
        parts.append(f"{size(progress.bytes_per_second)}/s")
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    if word := _WORDS[progress.doing]:
        parts.append(word)
    return "  ".join(parts)


def percent(share: float) -> str:
    return f"{int(share * 100):3} %"


def size(count: float) -> str:
    """Bytes in the largest unit that leaves a number of at least 1."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _share(progress: Progress) -> float:
    return progress.bytes / progress.total_bytes if progress.total_bytes else 1.0
