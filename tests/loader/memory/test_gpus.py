"""Asking for GPUs: the answer, and a driver that gives none."""

from __future__ import annotations

import sys
import time

import pytest

from jupyter_uml.loader.memory.gpus import find_gpus
from jupyter_uml.loader.memory.machine import Gpu, this_machine


def saying(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_llama_cpp_is_asked_and_the_cpu_is_no_gpu() -> None:
    found = find_gpus()
    assert all(gpu.name != "CPU" and 0 < gpu.free <= gpu.total for gpu in found)
    assert this_machine(gpus=found).gpu_free == sum(gpu.free for gpu in found)


def test_what_is_printed_before_the_answer_is_passed_over() -> None:
    answer = """print('a driver says hello'); print('[{"name": "CUDA0", "total": 9, "free": 7}]')"""
    assert find_gpus(saying(answer)) == (Gpu("CUDA0", 9, 7),)


@pytest.mark.parametrize("code", ["", "print('nonsense')", "import os; os.abort()", "print('[{}]')"])
def test_a_driver_that_crashes_or_talks_nonsense_means_no_gpu(code: str, caplog: pytest.LogCaptureFixture) -> None:
    assert find_gpus(saying(code)) == ()
    assert "could not be asked" in caplog.text


def test_a_driver_that_hangs_is_given_up() -> None:
    started = time.monotonic()
    assert find_gpus(saying("import time; time.sleep(60)"), seconds=0.3) == ()
    assert time.monotonic() - started < 10


def test_a_command_that_is_not_there() -> None:
    assert find_gpus(["/nowhere/at/all"]) == ()
