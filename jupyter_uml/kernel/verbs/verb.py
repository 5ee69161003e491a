"""What a command of `%uml` is."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from jupyter_uml.kernel.cell_view import CellView
from jupyter_uml.kernel.notebook import Notebook


def no_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def nothing(notebook: Notebook, words: list[str]) -> Iterable[str]:
    """There is nothing to complete but options."""
    return ()


@dataclass(frozen=True, slots=True)
class Verb:
    """`usage`: its lines of the help. `complete`: the words before the cursor → what may come next, beside options."""

    name: str
    usage: str
    run: Callable[[Notebook, CellView, argparse.Namespace], None]
    arguments: Callable[[argparse.ArgumentParser], None] = no_arguments
    complete: Callable[[Notebook, list[str]], Iterable[str]] = nothing


def models(notebook: Notebook, words: list[str]) -> Iterable[str]:
    """The ids of the models, for the first word after the command."""
    return notebook.known_models() if len(words) < 2 else ()
