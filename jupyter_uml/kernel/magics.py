"""`%uml` and `%%uml`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from jupyter_uml.errors import UmlError
from jupyter_uml.kernel.ask import ask
from jupyter_uml.kernel.cell_options import parse_cell
from jupyter_uml.kernel.cell_view import view_for
from jupyter_uml.kernel.command_line import HELP, help_of, parse_line
from jupyter_uml.kernel.completion import Completion
from jupyter_uml.kernel.empty_cell import EmptyCell
from jupyter_uml.kernel.notebook import Notebook
from jupyter_uml.kernel.quiet_error import UmlMagicError
from jupyter_uml.kernel.settings import Settings
from jupyter_uml.kernel.warm_up import warm_up
from jupyter_uml.kernel.words import words_of


def register(shell: InteractiveShell) -> None:
    """What `%load_ext jupyter_uml` does. Done again, it takes the place of what was there."""
    known: list[Any] = shell.configurables
    for earlier in [each for each in known if isinstance(each, UmlMagics)]:
        earlier.close()
        known.remove(earlier)
    shell.register_magics(UmlMagics(shell))
    warm_up()


@magics_class
class UmlMagics(Settings, Magics):
    """Load language models and ask them."""

    def __init__(self, shell: InteractiveShell, **options: Any) -> None:
        super().__init__(shell=shell, **options)
        self._notebook = Notebook(shell, self)
        self._parts = (Completion(shell, self._notebook), EmptyCell(shell))

    def close(self) -> None:
        self._notebook.close()
        for part in self._parts:
            part.close()

    @no_var_expand
    @line_cell_magic
    def uml(self, line: str, cell: str | None = None) -> None:
        with _one_line_errors():
            words = words_of(line, self._notebook.names)
            if cell is None:
                self._command(words)
            elif {"-h", "--help"} & set(words):
                print(help_of("%%uml"), end="")
            else:
                ask(self._notebook, parse_cell(words), cell)

    uml.__doc__ = HELP  # what `%uml?` shows

    def _command(self, words: list[str]) -> None:
        match parse_line(words):
            case str(text):
                print(text, end="")
            case verb, options:
                verb.run(self._notebook, view_for(self.shell), options)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """The cell fails, so that Run All stops; what is shown is one line."""
    try:
        yield
    except UmlError as error:
        raise UmlMagicError(str(error)) from None
    except KeyboardInterrupt:
        raise UmlMagicError("Stopped.") from None
