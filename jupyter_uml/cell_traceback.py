"""What IPython shows of an error: the lines of whoever called us. Of our own there may be a dozen, and of what they
stand on as many more, which say less than the message. `%xmode Verbose` shows all, and `%debug` walks through all."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import TypeVar

_OURS = __name__.partition(".")[0]

E = TypeVar("E", bound=BaseException)


def cell_traceback(error: E, bare: E) -> list[str]:
    """Lines, coloured as the shell's others. `bare`: an error that says the same, and was not raised yet."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        return traceback.format_exception(error)
    printer = shell.InteractiveTB
    shown, trace = error, error.__traceback__
    if printer.mode != "Verbose":
        shown, trace = _without_chain_of_ours(error, bare), _above(error.__traceback__) or error.__traceback__
    lines: list[str] = printer.structured_traceback(type(error), shown, trace, tb_offset=1)
    return lines


def _above(trace: TracebackType | None) -> TracebackType | None:
    """The frames before the first of ours."""
    if trace is None or _is_ours(trace):
        return None
    return TracebackType(_above(trace.tb_next), trace.tb_frame, trace.tb_lasti, trace.tb_lineno)


def _without_chain_of_ours(error: E, bare: E) -> E:
    """What we have caught is our affair; what the caller was handling is not."""
    bare.__context__, bare.__cause__ = _of_callers(error.__context__), _of_callers(error.__cause__)
    bare.__suppress_context__ = error.__suppress_context__
    return bare


def _of_callers(error: BaseException | None) -> BaseException | None:
    trace = error.__traceback__ if error else None
    return None if trace is not None and _is_ours(trace) else error


def _is_ours(trace: TracebackType) -> bool:
    return str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == _OURS
