"""An error of ours in a cell: the person's own lines and the message, unless all is asked for."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from jupyter_uml.client import RetryPolicy, UniversalClient
from jupyter_uml.errors import InvalidRequest

Cell = Callable[[str], str]


@pytest.fixture
def cell() -> Iterator[Cell]:
    """Runs one, and says what is shown."""
    shell = InteractiveShell.instance(colors="nocolor")
    shell.history_manager.enabled = False

    def run(code: str) -> str:
        with capture_output() as shown:
            shell.run_cell(code)
        return str(shown)

    with UniversalClient("http://127.0.0.1:9/uml", retry=RetryPolicy(connection_attempts=1)) as client:
        shell.push({"uml": client})
        yield run
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


def test_own_lines_and_the_sentence_are_shown(cell: Cell) -> None:
    shown = cell("def mine():\n    return uml.models()\n\nmine()")
    assert shown.count("Cell In[") == 2
    assert "return uml.models()" in shown
    assert "ConnectionFailed: No jupyter_uml server answered." in shown
    assert "jupyter_uml/" not in shown
    assert "ConnectError" not in shown
    assert "jupyter_uml/" not in cell("await uml.aio.models()")


def test_all_is_there_for_who_wants_it(cell: Cell) -> None:
    shown = cell("%xmode Verbose\numl.models()")
    assert "http_transport.py" in shown
    assert "ConnectError" in shown
    assert cell("import sys\nprint(repr(sys.last_value.__cause__))").startswith("ConnectError")


def test_what_the_caller_was_handling_is_shown(cell: Cell) -> None:
    shown = cell("try:\n    {}['a']\nexcept KeyError:\n    uml.chat('hi', model='demo', unknown=1)")
    assert "KeyError: 'a'" in shown
    assert "During handling" in shown


def test_without_a_shell_it_is_python_s_own() -> None:
    with pytest.raises(InvalidRequest) as caught:
        raise InvalidRequest("wrong")
    assert caught.value._render_traceback_() == traceback.format_exception(caught.value)
