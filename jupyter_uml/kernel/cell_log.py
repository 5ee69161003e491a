"""Which cells have run in this session, what came out, and which failed last: told apart where the frontend does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

from jupyter_uml.kernel.quiet_error import UmlMagicError
from jupyter_uml.kernel.running_cell import running_cell

_QUIET = (UmlMagicError, KeyboardInterrupt, SystemExit)  # these are no mistakes in a cell's code


@dataclass(frozen=True, slots=True)
class RanCell:
    """`number`: of the execution. `output`: its texts."""

    cell: str | None
    number: int
    source: str
    output: str


@dataclass(frozen=True, slots=True)
class Failure:
    """`source`: None where it is not known which cell it was."""

    error: BaseException
    source: str | None = None
    cell: str | None = None


class CellLog:
    """Reads what IPython keeps, and adds which execution was which cell's. Call `close` to hear no more."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._cells: dict[int, str | None] = {}  # by execution
        self._answers: dict[int, list[str]] = {}
        self._failure: Failure | None = None
        self._named: str | None = None
        self._source = ""
        self._number = 0
        shell.events.register("pre_run_cell", self._begins)
        shell.events.register("post_run_cell", self._ended)

    def close(self) -> None:
        self._shell.events.unregister("pre_run_cell", self._begins)
        self._shell.events.unregister("post_run_cell", self._ended)

    @property
    def running(self) -> str | None:
        """The id of the cell that runs; None where the frontend tells none."""
        return running_cell() or self._named

    @property
    def number(self) -> int:
        """Of the execution that runs: its place in IPython's history."""
        return self._number

    @property
    def source(self) -> str:
        """Of the cell that runs; empty where nobody told."""
        return self._source

    @property
    def failure(self) -> Failure | None:
        """What went wrong last, also before anybody listened here."""
        if self._failure is not None:
            return self._failure
        error = getattr(sys, "last_value", None)
        return Failure(error) if isinstance(error, Exception) and not isinstance(error, _QUIET) else None

    def answered(self, text: str) -> None:
        """Note a text as an output of the cell that runs."""
        self._answers.setdefault(self._number, []).append(text)

    def cells(self) -> list[RanCell]:
        """Those that have run, in the order of their last run, without the one that is running."""
        latest: dict[object, RanCell] = {}
        for ran in self._executions():
            key = ran.cell if ran.cell is not None else ran.number
            latest.pop(key, None)
            latest[key] = ran
        return [ran for ran in latest.values() if ran.number != self._number and (ran.cell or "") != self.running]

    def _executions(self) -> Iterator[RanCell]:
        history = self._shell.history_manager
        for number, source in enumerate(history.input_hist_raw if history is not None else []):
            if source.strip():
                yield RanCell(self._cells.get(number), number, source, self._output(number))

    def _output(self, number: int) -> str:
        history = self._shell.history_manager
        kept: Any = getattr(history, "outputs", {})  # of newer versions of IPython
        texts = [_text(output.bundle) for output in kept.get(number, ())]
        if not texts and number in (results := self._shell.user_ns.get("Out", {})):
            texts = [repr(results[number])]
        return "\n".join(text for text in [*texts, *self._answers.get(number, ())] if text)

    def _begins(self, info: Any) -> None:
        self._named, self._source = getattr(info, "cell_id", None), info.raw_cell
        history = self._shell.history_manager
        # IPython counts before or after this, depending on its version; what it stores next has this number.
        self._number = len(history.input_hist_raw) if history is not None and info.store_history else 0
        self._cells[self._number] = self.running

    def _ended(self, result: ExecutionResult) -> None:
        error = result.error_before_exec or result.error_in_exec
        cell = self.running
        if error is not None and not isinstance(error, _QUIET):
            self.answered(error_text(type(error).__name__, _message(error)))
            self._failure = Failure(error, result.info.raw_cell if result.info else None, cell)
        elif self._failure is not None and cell is not None and self._failure.cell == cell and error is None:
            self._failure = None  # it has been mended


def error_text(name: str, message: str) -> str:
    """An error as an output, without its traceback; empty where it is no mistake in a cell's code."""
    return "" if name in [quiet.__name__ for quiet in _QUIET] else f"{name}: {message}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _text(bundle: dict[str, Any]) -> str:
    """The plain form of an output."""
    plain = bundle.get("stream", bundle.get("text/plain", ""))
    return "".join(plain).rstrip("\n")
