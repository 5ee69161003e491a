"""Runs several commands at once, as a part of the time of most tests is waiting.

`side_by_side.py COMMAND [-- COMMAND …]`: what the first one says is shown as it comes, what the others say at their
ends. It fails where one of them fails. Interrupted, it waits until they have put away what they made.
"""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from itertools import groupby

INTERRUPTED = 130  # as shells have it


def commands_of(arguments: list[str]) -> list[list[str]]:
    return [list(words) for is_mark, words in groupby(arguments, key="--".__eq__) if not is_mark]


def run(commands: list[list[str]]) -> int:
    """Returns how many have failed, or `INTERRUPTED`."""
    with ExitStack() as stack:
        logs = [None, *(stack.enter_context(tempfile.TemporaryFile()) for _ in commands[1:])]
        begun = [subprocess.Popen(command, stdout=log, stderr=log) for command, log in zip(commands, logs, strict=True)]
        for process in begun:
            stack.callback(_end, process)
        is_interrupted = False
        try:
            codes = [process.wait() for process in begun]
        except KeyboardInterrupt:  # which they have heard, too
            is_interrupted, codes = True, [process.wait() for process in begun]
        for log in logs:
            if log is not None:
                log.seek(0)
                sys.stdout.buffer.write(log.read())
                sys.stdout.flush()
    for command, code in zip(commands, codes, strict=True):
        if code:
            print(f"failed: {shlex.join(command)}", file=sys.stderr)
    return INTERRUPTED if is_interrupted else sum(map(bool, codes))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Where somebody has had enough of it for the second time, or this process is told to end."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        process.wait()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(run(commands_of(sys.argv[1:])))
