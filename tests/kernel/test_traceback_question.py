"""The last error as a question."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.cell_log import CellLog
from jupyter_uml.kernel.quiet_error import UmlMagicError
from jupyter_uml.kernel.traceback_question import (
    MAX_FRAMES,
    MAX_MESSAGE,
    MAX_SOURCE,
    code_of,
    traceback_question,
    without_secrets,
)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.delattr("sys.last_value", raising=False)
    shell = InteractiveShell()
    shell.history_manager.enabled = False
    yield shell
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


@pytest.fixture
def log(shell: InteractiveShell) -> Iterator[CellLog]:
    log = CellLog(shell)
    yield log
    log.close()


def run(shell: InteractiveShell, code: str) -> None:
    with capture_output():
        shell.run_cell(code)


def test_it_has_the_cell_the_traceback_and_what_is_wanted(shell: InteractiveShell, log: CellLog) -> None:
    run(shell, "import json\nvalue = 'x'\njson.loads(value)")
    question = traceback_question(log, shell, "fix", "Keep the name value.")
    assert "```python\nimport json\nvalue = 'x'\njson.loads(value)\n```" in question
    assert "line 3, in <module>: json.loads(value)" in question
    assert "json/decoder.py" in question
    assert "JSONDecodeError: Expecting value: line 1 column 1 (char 0)" in question
    assert "IPython" not in question
    assert question.endswith("```python block.\n\nKeep the name value.")
    assert "Explain" in traceback_question(log, shell, "explain")


def test_a_mistake_in_the_syntax_is_one_too(shell: InteractiveShell, log: CellLog) -> None:
    run(shell, "x = (1,\ny = 2")
    question = traceback_question(log, shell, "fix")
    assert "```python\nx = (1,\ny = 2\n```" in question
    assert "SyntaxError: '(' was never closed" in question


def test_deep_calls_and_long_messages_are_cut(shell: InteractiveShell, log: CellLog) -> None:
    run(shell, "def f(n):\n    return f(n - 1) if n else [][len('x' * 9000)]\nf(200)")
    question = traceback_question(log, shell, "explain")
    assert question.count("in f:") == MAX_FRAMES - 1
    assert "more calls …" in question
    run(shell, "raise ValueError('long ' * 5000)")
    assert len(traceback_question(log, shell, "explain")) < 4000


def test_what_failed_last_is_meant(shell: InteractiveShell, log: CellLog) -> None:
    with pytest.raises(InvalidRequest, match="nothing to explain"):
        traceback_question(log, shell, "fix")
    run(shell, "1/0")
    run(shell, "a = 1")
    shell.user_ns["refused"] = UmlMagicError("refused")
    run(shell, "raise refused")  # what the magics say is no mistake in the code
    run(shell, "raise KeyboardInterrupt")
    assert "ZeroDivisionError" in traceback_question(log, shell, "fix")


def test_an_error_from_before_the_extension_counts(shell: InteractiveShell) -> None:
    run(shell, "a = 1\na.nope")
    log = CellLog(shell)
    question = traceback_question(log, shell, "fix")
    log.close()
    assert "a = 1\na.nope" in question
    assert "AttributeError" in question


def test_what_led_to_it_and_what_it_holds_are_told(shell: InteractiveShell, log: CellLog) -> None:
    run(shell, "try:\n    {}['a']\nexcept KeyError as error:\n    raise ValueError('no a') from error")
    assert "KeyError: 'a'\nAnd then:\nCell" in traceback_question(log, shell, "fix")
    run(shell, "try:\n    1/0\nexcept ZeroDivisionError:\n    raise ValueError('hidden') from None")
    assert "And then:" not in traceback_question(log, shell, "fix")
    run(shell, "raise ExceptionGroup('two', [ValueError('one'), KeyError('b')])")
    assert "ExceptionGroup: two (2 sub-exceptions)\n- ValueError: one\n- KeyError: 'b'" in traceback_question(
        log, shell, "fix"
    )


def test_a_secret_is_not_cut_in_two(shell: InteractiveShell, log: CellLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "abcdef")
    monkeypatch.setenv("SOME_API_KEY", "abcdef-uvwxyz")
    assert without_secrets("abcdef-uvwxyz abcdef") == "<SOME_API_KEY> <SOME_TOKEN>"
    padding = "." * (MAX_MESSAGE - len("ValueError: ") - 9)
    run(shell, f"x = 'y' * 9; raise ValueError('{padding}' + 'abcdef-' + 'uvwxyz')  # {'z' * 9000}")
    question = traceback_question(log, shell, "explain")
    assert "abcdef-u" not in question.replace("'abcdef-' + 'uvwxyz'", "")
    assert len(question) < MAX_SOURCE + MAX_MESSAGE + 1000


def test_no_secret_of_the_environment_goes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"API_KEY": "sk-1234567", "DB_PASSWORD": "hunter22", "MY_TOKEN": "ab", "PATH": "/usr/bin"}
    text = f"connect('sk-1234567', 'hunter22', 'ab', '/usr/bin', '{Path.home()}/x')"
    assert without_secrets(text, environ) == "connect('<API_KEY>', '<DB_PASSWORD>', 'ab', '/usr/bin', '~/x')"


def test_the_code_of_an_answer_is_its_longest_block() -> None:
    answer = "It fails since\n```python\nx\n```\nis none. So:\n```python\nx = 1\nprint(x)\n```\nThat is all."
    assert code_of(answer) == "x = 1\nprint(x)"
    assert code_of("```\na = 1\n```") == "a = 1"
    assert code_of("no code, `x` only") is None
    assert code_of("```python\ncut off") is None
