"""The same cells in JupyterLab's kernel, in plain IPython, and in a kernel that has no server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Protocol

import pytest

from tests.conftest import Server
from tests.kernel.conftest import Kernel, _environment

TERMINAL = """
import contextlib, io, json, sys
from IPython.terminal.interactiveshell import TerminalInteractiveShell
shell = TerminalInteractiveShell()
for line in sys.stdin:
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        success = shell.run_cell(json.loads(line), store_history=True).success
    print(json.dumps([success, shown.getvalue()]), flush=True)
"""


class Session(Protocol):
    """A place where cells run."""

    def run(self, code: str) -> tuple[bool, str]:
        """Whether it went well, and all that was shown."""
        ...


class InKernel:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._count = 0

    def run(self, code: str) -> tuple[bool, str]:
        self._count += 1
        shown = self.kernel.run(code, cell=f"cell-{self._count}", history=True)
        return shown.status == "ok", "\n".join([shown.text, shown.html, *shown.errors])


class InTerminal:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def run(self, code: str) -> tuple[bool, str]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(code), file=self.process.stdin, flush=True)
        success, shown = json.loads(self.process.stdout.readline())
        return success, shown


@pytest.fixture(params=["server", "terminal", "no server"], scope="module")
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("mode")
    server: Server | None = None if request.param == "no server" else request.getfixturevalue("shared_server")
    url, key = (server.url, server.token) if server else (None, "")
    if request.param == "terminal":
        environment = _environment(url, key, str(folder))
        command = [sys.executable, "-c", TERMINAL]
        with subprocess.Popen(command, text=True, stdin=-1, stdout=-1, cwd=folder, env=environment) as process:
            terminal = InTerminal(process)
            terminal.run("%load_ext jupyter_uml")
            yield terminal
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(20) == 0
    else:
        kernel = Kernel(url, key, str(folder))
        yield InKernel(kernel)
        kernel.close()


def ok(session: Session, code: str) -> str:
    success, shown = session.run(code)
    assert success, shown
    return shown


def test_models_are_listed_loaded_and_unloaded(session: Session) -> None:
    assert "demo" in ok(session, "%uml models")
    assert "demo is loaded · context 1024 tokens" in ok(session, "%uml load demo --n-threads 1")
    assert "1024 × 4" in ok(session, "%uml status")
    assert "demo is unloaded" in ok(session, "%uml unload demo")


def test_a_question_is_answered_filled_in_and_kept(session: Session) -> None:
    ok(session, "who = 'you'")
    shown = ok(session, "%%uml demo --temperature 0 --no-cache --var said\nWho are {who}?")
    assert "I am the small demo model" in shown
    assert "tokens/s" in shown
    assert "complete · with {who}" in shown
    ok(session, "assert said == _uml.text and said.startswith('I am the small demo model')")
    first, again = (ok(session, "%%uml demo --temperature 0\nWho are {who}?") for _ in range(2))
    assert "I am the small demo model" in first
    assert "demo · from the cache · complete" in again


def test_a_function_of_the_notebook_is_called(session: Session) -> None:
    ok(
        session,
        "def set_light(room: str, state: str) -> dict:\n"
        "    'Turn the light of a room on or off'\n"
        "    return {'ok': True}",
    )
    question = "%%uml demo --tools set_light --temperature 0 {}\nTurn on the light in the kitchen"
    success, shown = session.run(question.format(""))
    assert not success
    assert "nobody can be asked here" in shown
    shown = ok(session, question.format("--yes"))
    assert "→ set_light" in shown
    assert "The kitchen light is on." in shown


def test_a_conversation_goes_on(session: Session) -> None:
    assert "turn 1 of the chat" in ok(session, "%%uml demo --chat --temperature 0\nWho are you?")
    assert "turn 2 of the chat" in ok(session, "%%uml demo --chat --temperature 0\nHow do I load a model?")
    assert "How do I load a model?" in ok(session, "%uml history")
    assert "2 turns" in ok(session, "%uml reset")


def test_the_cells_above_and_the_last_error_are_at_hand(session: Session) -> None:
    ok(session, "6 * 7")
    assert "with 1 cell above" in ok(session, "%%uml demo --cells 1 --max-tokens 2\nWhat is that?")
    assert not session.run("1 / 0")[0]
    assert "cut off after 3 tokens: raise max_tokens for the rest" in ok(session, "%uml explain demo --max-tokens 3")


def test_settings_and_mistakes(session: Session) -> None:
    ok(session, "%uml set max_tokens 3")
    assert "3 tokens" in ok(session, "%%uml demo\nHello")
    ok(session, "%uml set max_tokens None")
    success, shown = session.run("%uml laod demo")
    assert not success
    assert "Did you mean `%uml load`?" in shown
    success, shown = session.run("%%uml nothing\nHello")
    assert not success
    assert "No model is called 'nothing'" in shown
    assert "Traceback" not in shown
