"""Tab in the line of `%uml` and `%%uml`: commands, options, their values, names of models."""

from __future__ import annotations

import argparse
import inspect
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    SimpleMatcherResult,
    context_matcher,
)
from IPython.core.interactiveshell import InteractiveShell

from jupyter_uml.errors import UmlError
from jupyter_uml.kernel.cell_options import cell_parser
from jupyter_uml.kernel.command_line import NAMES, find, line_parser
from jupyter_uml.kernel.notebook import Notebook
from jupyter_uml.kernel.traceback_question import WISHES

_LINE = re.compile(r"\s*(%%?uml)[ \t]+(.*)")
_MODELS = ("model", "named_model", "draft_model")  # options whose values are names of models


class Completion:
    """One of IPython's matchers; what it has no answer for is left to the others."""

    def __init__(self, shell: InteractiveShell, notebook: Notebook) -> None:
        self._notebook = notebook
        self._matchers = shell.Completer.custom_matchers

        def uml_matcher(context: CompletionContext) -> SimpleMatcherResult:  # IPython marks functions, not methods
            return self._matched(context)

        self._matcher = context_matcher(identifier="uml")(uml_matcher)
        self._matchers.append(self._matcher)

    def close(self) -> None:
        if self._matcher in self._matchers:
            self._matchers.remove(self._matcher)

    def _matched(self, context: CompletionContext) -> SimpleMatcherResult:
        *before, line = context.full_text.split("\n")[: context.cursor_line + 1]
        line = line[: context.cursor_position]
        found = _LINE.match(line)
        above = next((each for each in before if each.strip()), "")
        if found is None or above.lstrip().startswith("%%") or (above and found[1] == "%%uml"):
            return {"completions": []}  # it is no magic, or in the text of one
        typed = "" if line.endswith((" ", "\t")) else line.split()[-1]
        words = _words(found[2], typed)
        candidates = self.candidates(found[1], words, typed)
        chosen = [word for word in dict.fromkeys(candidates) if word.casefold().startswith(typed.casefold())]
        return {
            "completions": [SimpleCompletion(text=word, type="uml") for word in chosen],
            "matched_fragment": typed,
            "suppress": True,
            "ordered": True,
        }

    def candidates(self, magic: str, words: list[str], typed: str) -> Iterator[str]:
        """What may stand where `typed` begins; `words`: those before it."""
        try:
            yield from self._in_cell(words, typed) if magic == "%%uml" else self._in_line(words, typed)
        except (UmlError, OSError):  # a server that is gone is no reason to disturb who types
            return

    def _in_line(self, words: list[str], typed: str) -> Iterable[str]:
        if not words:
            return NAMES
        if words[0] == "help":
            return (*NAMES, "%%uml") if len(words) == 1 else ()
        verb = find(words[0])
        return self._of(line_parser(verb), words[1:], typed, lambda: verb.complete(self._notebook, words))

    def _in_cell(self, words: list[str], typed: str) -> Iterable[str]:
        rest = words[1:] if words[:1] in [[wish] for wish in WISHES] else words

        def names() -> Iterable[str]:
            return [] if rest else [*self._notebook.known_models(), *(() if words else WISHES)]

        return self._of(cell_parser(), rest, typed, names)

    def _of(
        self, parser: argparse.ArgumentParser, words: list[str], typed: str, named: Callable[[], Iterable[str]]
    ) -> Iterable[str]:
        """The value of the option that was just named; else what else may stand there, and options."""
        options = parser._option_string_actions
        action = options.get(words[-1]) if words else None
        if action is not None and action.nargs != 0:
            values = self._values(action, typed)
            return values if action.nargs is None else [*values, *_unused(options, words)]
        if typed.startswith("-"):
            return _unused(options, words)
        return [*named(), *_unused(options, words)]

    def _values(self, action: argparse.Action, typed: str) -> Iterable[str]:
        if action.choices is not None:
            return list(action.choices)
        if action.dest in _MODELS:
            return self._notebook.known_models()
        names = self._notebook.names
        match action.dest:
            case "tools":
                before = typed[: typed.rfind(",") + 1]
                return [before + name for name, value in names.items() if inspect.isfunction(value)]
            case "schema":
                return [name for name, value in names.items() if isinstance(value, type)]
            case "chat":
                return [each.name for each in self._notebook.conversations if each.name]
        return ()


def _unused(options: Mapping[str, argparse.Action], words: Sequence[str]) -> list[str]:
    return [name for name in options if name not in words]


def _words(line: str, typed: str) -> list[str]:
    """Those before the one that is typed."""
    before = line[: len(line) - len(typed)]
    try:
        return shlex.split(before)
    except ValueError:  # inside of quotation marks
        return before.split()
