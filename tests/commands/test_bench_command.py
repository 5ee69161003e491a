"""`jupyter uml bench`, on a server that runs and where none does; and `POST bench_model` under it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_uml.commands.bench import told
from jupyter_uml.types import EffectiveSettings, LoadSettings, Speed, SpeedPoint
from tests.commands.test_server_commands import on, run
from tests.conftest import Server, launch


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = launch(tmp_path_factory.mktemp("alone"), standalone=True)
    yield server
    server.stop()


def speed_file(folder: Path) -> Path:
    return folder / "data" / "uml" / "speeds.json"


def test_the_loaded_model_is_measured_and_its_next_load_knows(alone: Server) -> None:
    nothing = on(alone, "bench")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "none is loaded" in nothing.stderr
    alone.post("load_model", {"model": "demo", "n_ctx": 512, "n_threads": 1})
    told = json.loads(on(alone, "bench", "--json").stdout)
    speed = Speed.from_dict(told)
    assert (speed.model, speed.settings.n_ctx) == ("demo", 512)
    assert speed.decode[0].tokens_per_second > 10
    [record] = json.loads(speed_file(alone.runtime.parent).read_bytes())
    assert Speed.from_dict(record["speed"]) == speed
    alone.post("unload_model", {"model": "demo"})
    settings = alone.post("load_model", {"model": "demo", "n_ctx": 512}).json()["settings"]
    advice = speed.advice
    assert settings["n_threads"] == (advice.n_threads or 1)
    assert settings["n_batch"] == (advice.n_batch or 512)
    alone.post("unload_model", {"model": "demo"})


def test_a_model_that_is_not_there_cannot_be_measured(alone: Server) -> None:
    answer = alone.post("bench_model", {"model": "nowhere"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert alone.post("bench_model", {"model": "demo", "seconds": 3}).status_code == 400


def test_without_a_server_a_named_model_is_measured_here(tmp_path: Path) -> None:
    done = run(tmp_path, "bench", "demo")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["at", "once", "threads", "tokens/s"]
    assert any(line.startswith("answer") and "1 sequence" in line and line.endswith("now") for line in lines)
    assert lines[-1].startswith("Next load: ")
    assert speed_file(tmp_path).is_file()
    nothing = run(tmp_path, "bench")
    assert nothing.returncode == 1
    assert "Say which model: jupyter uml bench MODEL" in nothing.stderr


def lines_of(advice: LoadSettings, prefill: float, decode: float, columns: int = 1000) -> list[str]:
    settings = EffectiveSettings(4096, 4, 8, 0, "f16", n_batch=512, n_threads_batch=8)
    prompts = (SpeedPoint(8, 512, 1234.5), SpeedPoint(16, 512, 2000.0))
    answers = (SpeedPoint(8, 1, 20.25), SpeedPoint(8, 4, 60.0), SpeedPoint(16, 1, 10.0))
    return "\n".join(
        told(Speed("m", settings, prompts, answers, advice, prefill, decode, 4.5, 0.0), columns)
    ).splitlines()


def test_the_table_says_what_is_in_use_and_what_will_be() -> None:
    lines = lines_of(LoadSettings(n_threads=8, n_threads_batch=16, n_batch=256), 1.623, 1.0)
    assert [line.split() for line in lines[1:3]] == [
        ["prompt", "512", "tokens", "8", "1234.5", "now"],
        ["prompt", "512", "tokens", "16", "2000.0"],
    ]
    assert [line.endswith("now") for line in lines[3:6]] == [True, True, False]
    assert lines[-1] == (
        "Next load: 8 threads for answers, 16 for prompts and batches of 256 tokens. "
        "Expected: prompts 1.62 times as fast as now."
    )


def test_where_nothing_is_better_it_says_so() -> None:
    assert lines_of(LoadSettings(), 1.0, 1.0)[-1] == (
        "Next load: the usual threads and batches; nothing else is faster beyond the noise. Expected: as fast as now."
    )
    both = lines_of(LoadSettings(n_threads=1, n_threads_batch=1), 1.1, 1.2)[-1]
    assert (
        both == "Next load: 1 thread. Expected: prompts 1.10 times as fast as now, answers 1.20 times as fast as now."
    )


def test_no_line_is_wider_than_the_terminal() -> None:
    lines = lines_of(LoadSettings(n_threads=8, n_threads_batch=16, n_batch=256), 1.623, 1.2, columns=80)
    assert max(map(len, lines)) <= 80
    assert " ".join(lines).endswith("answers 1.20 times as fast as now.")
