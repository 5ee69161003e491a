"""What llama.cpp was built with, asked in a child process that may die."""

from __future__ import annotations

import sys

import pytest

from jupyter_uml.engine.build import features
from jupyter_uml.loader.memory.build import find_build


def test_this_build_says_what_it_can() -> None:
    build = find_build()
    assert build.fault is None
    assert build.version
    assert "CPU" in build.backends
    assert build.features


def test_features_of_the_cpu_are_told_from_those_of_other_backends() -> None:
    text = "CUDA : ARCHS = 890 | F16 = 1 | CPU : SSE3 = 1 | AVX2 = 1 | FMA = 0 | SVE_CNT = 32 | "
    assert features(text) == ["SSE3", "AVX2", "SVE_CNT"]
    assert features("") == []


@pytest.mark.parametrize(
    ("program", "fault"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "it was ended by SIGILL"),
        ("raise ImportError('libcudart.so.12: not found')", "ImportError: libcudart.so.12: not found"),
        ("print('no JSON')", "its answer cannot be understood"),
        ("pass", "its answer cannot be understood"),
        ("import sys; sys.exit(3)", "exit code 3"),
        ("import time; time.sleep(60)", "it did not answer within 1 s"),
    ],
)
def test_what_keeps_it_from_answering_is_told(program: str, fault: str) -> None:
    assert find_build((sys.executable, "-S", "-c", program), seconds=1).fault == fault


def test_a_program_that_is_not_there() -> None:
    assert find_build(("/nowhere/python",)).fault == "No such file or directory"
