"""What is printed: grouped, within the columns, plain where it must be plain, and whole as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from jupyter_uml.commands.doctor.checks import examine
from jupyter_uml.commands.doctor.facts import Card, Facts
from jupyter_uml.commands.doctor.report import as_json, as_text, runs
from jupyter_uml.loader.memory.machine import Gpu, Machine
from tests.commands.doctor.machines import GIB, HEALTHY, LAPTOP, MINE, estimate, spoilt

SICK = spoilt(
    cards=(Card("NVIDIA", "NVIDIA L4"),),
    memory=replace(HEALTHY.memory, available=GIB // 10, swap=0),
    models=(MINE, replace(MINE, id="large", estimate=estimate("large", fits=False, needed=99 * GIB))),
)


def text(facts: Facts, columns: int = 80, colours: bool = False) -> str:
    return as_text(facts, examine(facts), columns, colours)


@pytest.mark.parametrize("columns", [80, 120])
def test_lines_fit_and_problems_come_with_their_remedy(columns: int) -> None:
    told = text(SICK, columns)
    assert max(map(len, told.splitlines())) <= columns
    headings = [line for line in told.splitlines() if line and not line.startswith(" ")]
    assert headings[1:] == [
        *("In order", "Good to know", "Problems", "What this machine can run"),
        "1 problem keeps models from running.",
    ]
    problems = told[told.index("\nProblems") :]
    assert problems.index("✗ Memory") < problems.index("! GPU")


def test_a_command_that_is_cut_into_lines_is_still_one_command() -> None:
    lines = text(SICK).splitlines()
    start = next(number for number, line in enumerate(lines) if "CMAKE_ARGS" in line)
    command = ""
    for line in lines[start:]:
        command += line.strip().removesuffix("\\")
        if not line.endswith("\\"):
            break
    assert re.fullmatch(r'CMAKE_ARGS="-DGGML_CUDA=on" pip install .* llama-cpp-python==0\.3\.36', command)


def test_the_largest_sizes_and_the_models_that_are_here_are_told() -> None:
    told = text(SICK)
    assert "24.0 GiB of memory hold models of up to about this size, with 8k tokens of" in told
    assert re.search(r"Q4_K_M +32 billion parameters, a file of 18\.\d GiB", told)
    assert re.search(r"mine +32k +5\.0 GiB +fits: needs 5\.0 GiB", told)
    assert re.search(r"large +none +99\.0 GiB +does not fit: needs 99\.0 GiB", told)


def test_measured_speeds_have_a_column_of_their_own() -> None:
    assert "tokens/s" not in text(HEALTHY)
    assert re.search(r"mine +32k +5\.0 GiB +12\.3 +fits", text(spoilt(models=(replace(MINE, speed=12.34),))))


def test_a_gpu_is_told_by_what_it_holds() -> None:
    gpus = (Gpu("CUDA0", 24 * GIB, 23 * GIB),)
    facts = spoilt(gpus=gpus, machine=Machine(64 * GIB, 60 * GIB, gpus, LAPTOP.features))
    assert re.search(r"Q4_K_M +120 billion parameters.*; 32 billion whole on the GPU", text(facts, 120))


def test_a_small_container_is_told_what_little_fits() -> None:
    facts = spoilt(
        memory=replace(HEALTHY.memory, limit=GIB, available=GIB // 2),
        machine=Machine(GIB, GIB // 2, features=LAPTOP.features),
    )
    told = text(facts)
    assert "limits this to 1.0 GiB" in told
    assert "512 MiB of memory do not hold half a billion parameters" in told
    assert "docker run --memory" in told


def test_colours_only_where_they_are_wanted() -> None:
    plain, painted = text(SICK), text(SICK, colours=True)
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[\d+m", "", painted) == plain != painted


def test_the_last_line_says_it_all() -> None:
    assert text(HEALTHY).splitlines()[-1] == "Models run here, and nothing is wrong."
    assert text(spoilt("memory", strict=True)).splitlines()[-1] == "Models run here; 1 thing could be better."
    assert runs(examine(HEALTHY))
    assert not runs(examine(SICK))


def test_programs_get_all_of_it() -> None:
    told = json.loads(json.dumps(as_json(SICK, examine(SICK))))
    assert told["ok"] is False
    [error] = [finding for finding in told["findings"] if finding["level"] == "error"]
    assert error["topic"] == "Memory"
    assert told["models"][0]["estimate"]["largest_context"] == 32768
    assert [size["quantisation"] for size in told["sizes"]] == ["Q4_K_M", "Q8_0", "F16"]
    assert told["machine"]["cards"] == [
        {"vendor": "NVIDIA", "name": "NVIDIA L4", "driver": True, "integrated": False},
    ]
