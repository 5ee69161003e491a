"""Runs several commands at once, as about half of the time of most tests is waiting.

`side_by_side.py COMMAND [-- COMMAND …]`: what the first one says is shown as it comes, what the others say at their
ends. It fails where one of them fails.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from itertools import groupby


def commands_of(arguments: list[str]) -> list[list[str]]:
    return [list(words) for is_mark, words in groupby(arguments, key="--".__eq__) if not is_mark]


def run(commands: list[list[str]]) -> int:
    """Returns how many have failed."""
    first, *others = commands
    with ExitStack() as stack:
        logs = [stack.enter_context(tempfile.TemporaryFile()) for _ in others]
        begun = [subprocess.Popen(command, stdout=log, stderr=log) for command, log in zip(others, logs, strict=True)]
        for process in begun:
            stack.callback(process.wait)
            stack.callback(process.terminate)  # where somebody has had enough of it
        failed = [first] if subprocess.call(first) else []
        for process, command, log in zip(begun, others, logs, strict=True):
            if process.wait():
                failed.append(command)
            log.seek(0)
            sys.stdout.buffer.write(log.read())
            sys.stdout.flush()
    for command in failed:
        print(f"failed: {shlex.join(command)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(run(commands_of(sys.argv[1:])))
