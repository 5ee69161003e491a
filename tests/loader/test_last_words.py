"""What is told of a worker's end: enough to know what to do, and nothing that is nobody's business."""

from __future__ import annotations

import pytest

from jupyter_uml.loader.last_words import cause_of_death, log_tail


@pytest.mark.parametrize(
    ("returncode", "words"),
    [
        (-9, "killed by the system, likely for want of memory"),
        (-4, "this build of llama.cpp uses instructions that this CPU lacks"),
        (-11, "SIGSEGV"),
        (-7, "cut short"),
        (-6, "SIGABRT"),
        (-15, "from outside"),
        (-60, "signal 60"),
        (3, "exit code 3"),
        (None, "ended"),
    ],
)
def test_a_signal_is_told_in_words(returncode: int | None, words: str) -> None:
    assert words in cause_of_death(returncode)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("llama_model_load: unknown architecture: 'foo'", "llama_model_load: unknown architecture: 'foo'"),
        ("cannot open /home/ann/models/secret model.gguf", "cannot open … model.gguf"),
        ("/src/ggml.c:12: GGML_ASSERT(n == 1) failed", "…:12: GGML_ASSERT(n == 1) failed"),
        (r"cannot open C:\Users\ann\x.gguf: no such file", "cannot open …: no such file"),
        ("cannot open ~/x.gguf", "cannot open …"),
        ("cannot open 'my models/x y.gguf'", "cannot open …"),
        ("cannot open file:///srv/x", "cannot open file:…"),
        ("at 0x7f3a12bc and deadbeefdeadbeef", "at … and …"),
        ("connected to 10.0.0.7:8888", "connected to …"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07and\x00\tbell\x07", "red and  bell"),
        ("ValueError: my secret prompt", "ValueError"),
        ("json.decoder.JSONDecodeError: my secret prompt", "JSONDecodeError"),
        ("x" * 1000, "x" * 159 + "…"),
    ],
)  # fmt: skip
def test_a_line_without_what_is_nobodys_business(line: str, shown: str) -> None:
    assert log_tail([line]) == shown


def test_of_a_traceback_only_the_kind_of_error_is_told() -> None:
    lines = [
        "Traceback (most recent call last):",
        '  File "/home/ann/x.py", line 3, in f',
        "    raise KeyError(prompt)",
        "KeyError: 'the prompt'",
    ]
    assert log_tail(lines) == "KeyError"


def test_it_is_the_end_and_bounded() -> None:
    lines = [f"line {number} {'x' * 100}" for number in range(1000)]
    tail = log_tail(lines)
    assert tail.endswith(lines[-1])
    assert len(tail) <= 510
    assert log_tail(map(str, range(100))).splitlines() == ["95", "96", "97", "98", "99"]
    assert log_tail([]) == ""
    assert log_tail(["", "  "]) == ""
