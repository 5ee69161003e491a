"""May the model call this function? Nobody's function is called before the person at the keyboard has said so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from IPython.core.error import StdinNotImplementedError

from jupyter_uml.display.render import visible
from jupyter_uml.kernel.quiet_error import UmlMagicError
from jupyter_uml.types import ToolCall

LONGEST_CALL = 300  # characters of it that are shown when asking
_ANSWERS = {"y": True, "yes": True, "a": True, "always": True, "n": False, "no": False, "": False}


class ToolConsent:
    """Remembers an "always" for the session, as long as the function stays what it was. `is_attended`: whether what is
    asked comes to a person, and not to a program's own input."""

    def __init__(self, is_attended: Callable[[], bool] = lambda: True) -> None:
        self._is_attended = is_attended
        self._always: set[tuple[str, object]] = set()

    def given(self, call: ToolCall, function: Callable[..., Any]) -> bool:
        """Asks, unless that has been settled.

        Raises:
            UmlMagicError: nobody can be asked here.
        """
        if self._key(call, function) in self._always:
            return True
        said = self._ask(call)
        if said in ("a", "always"):
            self._always.add(self._key(call, function))
        return _ANSWERS[said]

    @staticmethod
    def _key(call: ToolCall, function: Callable[..., Any]) -> tuple[str, object]:
        """A function that is defined again is the same one if its code is: a changed one is asked for anew."""
        called = function if hasattr(function, "__code__") else type(function).__call__
        return call.name, getattr(called, "__code__", function)

    def _ask(self, call: ToolCall) -> str:
        shown = visible(f"{call.name} {call.arguments}")
        if len(shown) > LONGEST_CALL:
            shown = f"{shown[:LONGEST_CALL]} … ({len(shown) - LONGEST_CALL} more characters)"
        question = f"The model wants to call {shown}\nCall it? [y]es once / [a]lways / [n]o: "
        try:
            while (said := self._typed(question)) not in _ANSWERS:
                question = "Please answer y, a or n: "
        except (StdinNotImplementedError, EOFError, OSError) as error:
            raise UmlMagicError(
                f"The model wants to call {call.name}, and nobody can be asked here. Allow it with `--yes`, or for all "
                "cells with `%uml set allow_tools True`."
            ) from error
        return said

    def _typed(self, question: str) -> str:
        if not self._is_attended():
            raise EOFError
        return input(question).strip().lower()
