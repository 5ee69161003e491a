"""The last error as a question: the cell, the traceback without what is of no use or secret, what is wanted."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal

from IPython.core.interactiveshell import InteractiveShell

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.cell_log import CellLog

Wish = Literal["fix", "explain"]
WISHES: tuple[Wish, ...] = ("fix", "explain")

MAX_SOURCE = 8000  # characters
MAX_MESSAGE = 2000
MAX_FRAMES = 12
MAX_LINE = 200  # characters of a frame's code
MAX_CAUSES = 3  # errors before the error, or in a group of them
_SHORT = 6  # characters: a secret so short would be struck out everywhere
_SECRET = re.compile(r"key|token|secret|passw|credential|auth", re.IGNORECASE)
_PACKAGES = re.compile(r"^.*[/\\](?:site|dist)-packages[/\\]")
_ASKED = {
    "fix": "Say in one or two sentences what is wrong. Then write the whole corrected cell in one ```python block.",
    "explain": "Explain in a few sentences what went wrong and why, and what to look at.",
}
_BLOCK = re.compile(r"^```[ \t]*(?:python|py|ipython)?[ \t]*\n(.*?)^```", re.MULTILINE | re.DOTALL | re.IGNORECASE)


def traceback_question(log: CellLog, shell: InteractiveShell, wish: Wish, more: str = "") -> str:
    """`more`: what the person adds.

    Raises:
        InvalidRequest: nothing has gone wrong.
    """
    failure = log.failure
    if failure is None:
        raise InvalidRequest("No cell of this session has failed: there is nothing to explain.")
    source = failure.source or _source_of(failure.error)
    parts = [
        "A cell of a Jupyter notebook fails.",
        f"```python\n{without_secrets(source)[:MAX_SOURCE].rstrip()}\n```" if source else "",
        f"```\n{_trimmed(failure.error, shell)}\n```",
        _ASKED[wish],
        more.strip(),
    ]
    return without_secrets("\n\n".join(part for part in parts if part))


def code_of(answer: str) -> str | None:
    """The code that an answer proposes: its longest block."""
    blocks = [found[1].rstrip() for found in _BLOCK.finditer(answer if answer.endswith("\n") else answer + "\n")]
    return max(blocks, key=len, default=None) or None


def without_secrets(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """No key or password of the environment, and no name of the home folder, goes into a question."""
    for name, value in sorted(environ.items(), key=lambda item: -len(item[1])):  # one may be part of another
        if _SECRET.search(name) and len(value) >= _SHORT:
            text = text.replace(value, f"<{name}>")
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text


def _trimmed(error: BaseException, shell: InteractiveShell) -> str:
    """The frames of the notebook and of the packages that it called, and the message."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
    lines = [_line(frame, shell) for frame in frames]
    if len(lines) > MAX_FRAMES:
        half = MAX_FRAMES // 2
        lines[half:-half] = [f"… {len(lines) - MAX_FRAMES} more calls …"]
    return "\n".join([*_causes(error), *lines, _message(error)])


def _causes(error: BaseException) -> list[str]:
    """What was being handled when it was raised, the first one first."""
    told: list[str] = []
    while len(told) < MAX_CAUSES and (
        earlier := error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    ):
        told.insert(0, f"{_message(earlier)}\nAnd then:")
        error = earlier
    return told


def _message(error: BaseException) -> str:
    parts = getattr(error, "exceptions", ())[:MAX_CAUSES] if isinstance(error, BaseExceptionGroup) else ()
    message = "".join(traceback.format_exception_only(error)).rstrip()
    return "\n".join([without_secrets(message)[:MAX_MESSAGE], *(f"- {_message(part)}" for part in parts)])


def _line(frame: traceback.FrameSummary, shell: InteractiveShell) -> str:
    name = getattr(shell.compile, "format_code_name", lambda _: None)(frame.filename)
    where = " ".join(name) if name else _PACKAGES.sub("", frame.filename)
    code = shorten(without_secrets(frame.line or ""), MAX_LINE, placeholder=" …")
    return f"{where}, line {frame.lineno}, in {frame.name}: {code}".rstrip(": ")


def _is_machinery(filename: str) -> bool:
    return bool(re.search(r"[/\\](?:IPython|ipykernel)[/\\]", filename))


def _source_of(error: BaseException) -> str:
    """The cell that was running, as far as Python still knows it."""
    import linecache

    tb: Any = error.__traceback__
    for frame in traceback.extract_tb(tb):
        if not _is_machinery(frame.filename):
            return "".join(linecache.getlines(frame.filename)) if not Path(frame.filename).is_file() else ""
    return ""
