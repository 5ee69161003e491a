"""A notebook of six answers, run by a real kernel and asked again: all equal, or each difference named."""

import json
import os
import struct
import threading
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import Server, launch, wait_until
from tests.kernel.conftest import Kernel, _environment

SETUP = """\
%load_ext jupyter_uml
%uml set deterministic True
%uml set max_tokens 16
from pydantic import BaseModel
class Place(BaseModel):
    name: str
city = "Paris"
"""
QUESTIONS = [
    "%%uml copy --temperature 0\nWhat is the capital of France?",
    "%%uml copy --temperature 0.7 --seed 7 --system 'Answer in one word.'\nTell me a joke.",
    "%%uml copy --temperature 0\nWhat is the weather in {city}?",
    "%%uml copy --temperature 0 --max-tokens 40 --schema Place\nName a place as JSON.",
    "%%uml copy --temperature 0 --chat\nMy name is Ada.",
    "%%uml copy --temperature 0 --chat\nWhat is my name?",
]
PLAIN, DRAWN, FILLED, FORMED, FIRST, SECOND = range(6)

Notebook = Any  # of nbformat


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, demo_bytes: bytes) -> Iterator[Server]:
    """A server with a model of its own, `copy`, which the tests change."""
    server = launch(tmp_path_factory.mktemp("place"))
    (server.models / "copy.gguf").write_bytes(renamed(demo_bytes, b"X"))
    yield server
    server.stop()


def renamed(model: bytes, letter: bytes) -> bytes:
    """Another file: the metadata has another name, which no answer depends on."""
    at = model.find(b"general.name") + len(b"general.name") + struct.calcsize("<IQ")
    return model[:at] + letter + model[at + 1 :]


def executed(server: Server, folder: Path) -> Notebook:
    """Run All, in a new kernel, as Jupyter does it."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (SETUP, *QUESTIONS)])
    client = NotebookClient(notebook, timeout=60, record_timing=True)
    client.execute(env=_environment(server.url, server.token, str(folder)))
    return notebook


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernel")


@pytest.fixture(scope="module")
def original(place: Server, folder: Path) -> Notebook:
    return executed(place, folder)


@pytest.fixture(scope="module")
def asker(place: Server, original: Notebook, folder: Path) -> Iterator[Kernel]:
    """Another kernel, in which the notebook's cells without questions have been run. It has no answers of its own."""
    kernel = Kernel(place.url, place.token, str(folder))
    assert kernel.run(SETUP).status == "ok"
    yield kernel
    kernel.close()


class Verified:
    """What `%uml verify --json` said about the six answers."""

    def __init__(self, kernel: Kernel, notebook: Notebook, path: Path) -> None:
        nbformat.write(notebook, path)
        shown = kernel.run(f"%uml verify {path} --json")
        self.status, self.errors = shown.status, "\n".join(shown.errors)
        assert shown.printed, self.errors
        self.report: dict[str, Any] = json.loads(shown.printed)
        self.answers: list[dict[str, Any]] = self.report["answers"]

    def differences(self, which: int) -> dict[str, tuple[Any, Any]]:
        return {row["what"]: (row["before"], row["now"]) for row in self.answers[which]["differences"]}

    @property
    def different(self) -> list[int]:
        return [number for number, each in enumerate(self.answers) if each["outcome"] != "equal"]


@pytest.fixture
def verify(asker: Kernel, tmp_path: Path) -> Callable[[Notebook], Verified]:
    return lambda notebook: Verified(asker, notebook, tmp_path / "six.ipynb")


def record(notebook: Notebook, which: int) -> dict[str, Any]:
    """Of the answer in a cell's outputs."""
    outputs = notebook.cells[1 + which].outputs
    (found,) = [output.metadata.jupyter_uml for output in outputs if "jupyter_uml" in output.get("metadata", {})]
    return found  # type: ignore[no-any-return]


def reload(server: Server, **settings: Any) -> None:
    if server.model("copy")["state"] == "loaded":
        assert server.post("unload_model", {"model": "copy"}).status_code == 200
    assert server.post("load_model", {"model": "copy", **settings}).status_code == 200


def test_six_answers_are_equal_and_a_person_reads_so(
    verify: Callable[[Notebook], Verified], original: Notebook, asker: Kernel, tmp_path: Path
) -> None:
    found = verify(original)
    assert found.different == []
    assert found.report["outcomes"] == {"equal": 6, "differs": 0, "failed": 0, "skipped": 0}
    assert found.status == "ok"
    shown = asker.run(f"import os; os.environ['JPY_SESSION_NAME'] = {str(tmp_path / 'six.ipynb')!r}\n%uml verify")
    assert shown.status == "ok"
    assert "6 answers are equal. · six.ipynb as saved on " in shown.text
    assert "[2] What is the capital of France?" in shown.text
    assert any("Asking again: 3 of 6" in step.get("text/plain", "") for step in shown.steps)


def test_a_record_says_what_an_answer_came_from(original: Notebook, place: Server) -> None:
    row, found = place.model("copy"), record(original, DRAWN)
    assert found["model"] == "copy"
    assert (found["model_sha256"], found["engine"]) == (row["info"]["sha256"], row["info"]["engine"])
    assert found["template_sha256"] == row["info"]["template_sha256"]
    assert found["settings"]["n_ctx"] == row["settings"]["n_ctx"]
    assert (found["params"]["temperature"], found["seed"], found["state"]) == (0.7, 7, "done")
    assert isinstance(record(original, PLAIN)["seed"], int)
    assert len({record(original, which)["generation"] for which in range(6)}) == 6


def test_a_setting_that_has_changed_is_named(
    verify: Callable[[Notebook], Verified], original: Notebook, place: Server
) -> None:
    reload(place, n_ctx=512, kv_type="q8_0")
    found = verify(original)
    reload(place)
    assert found.status == "error"
    for which in range(6):
        differences = found.differences(which)
        assert (differences["n_ctx"], differences["kv_type"]) == ((1024, 512), ("f16", "q8_0"))
        assert differences.keys() <= {"n_ctx", "kv_type", "answer", "prompt", "n_batch"}
    assert "6 of 6 answers differ ([2], [3], [4], [5], [6], [7])" in found.errors


@pytest.mark.parametrize("weights", [False, True])
def test_another_model_file_is_named(
    verify: Callable[[Notebook], Verified], original: Notebook, place: Server, demo_bytes: bytes, weights: bool
) -> None:
    """A changed metadata value that nothing depends on; changed weights, which answer otherwise."""
    reload(place)
    place.post("unload_model", {"model": "copy"})
    changed = bytearray(renamed(demo_bytes, b"Y"))
    if weights:
        changed[len(changed) // 2 :] = bytes(len(changed) - len(changed) // 2)  # the demo forgives much
    (place.models / "copy.gguf").write_bytes(changed)
    found = verify(original)
    place.post("unload_model", {"model": "copy"})
    (place.models / "copy.gguf").write_bytes(renamed(demo_bytes, b"X"))
    assert found.different == list(range(6))
    before, now = found.differences(PLAIN)["model file"]
    assert before == record(original, PLAIN)["model_sha256"] != now
    if weights:
        (answer,) = (row for row in found.answers[PLAIN]["differences"] if row["what"] == "answer")
        assert answer["before"] != answer["now"]
        assert answer["at"] >= 0
    else:
        assert all(found.differences(which).keys() == {"model file"} for which in range(6))


def test_what_has_changed_in_a_cell_is_named(verify: Callable[[Notebook], Verified], original: Notebook) -> None:
    changed = deepcopy(original)
    for which, old, new in (
        (PLAIN, "--temperature 0", "--temperature 0.5"),
        (DRAWN, "--seed 7", "--seed 8"),
        (FILLED, "weather", "time"),
        (FORMED, "--max-tokens 40", "--max-tokens 41"),
    ):
        cell = changed.cells[1 + which]
        assert old in cell.source
        cell.source = cell.source.replace(old, new)
    found = verify(changed)
    assert found.different == [PLAIN, DRAWN, FILLED, FORMED]
    assert found.differences(PLAIN) == {"temperature": (0.0, 0.5)}
    assert found.differences(DRAWN) == {"seed": (7, 8)}
    assert found.differences(FILLED)["prompt"] == ("another text", "What is the time in Paris?")
    assert found.differences(FORMED) == {"max_tokens": (40, 41)}


def test_what_has_changed_in_the_kernel_is_named(
    verify: Callable[[Notebook], Verified], original: Notebook, asker: Kernel
) -> None:
    asker.run("city = 'Rome'\nclass Place(BaseModel):\n    name: str\n    size: int")
    found = verify(original)
    assert found.different == [FILLED, FORMED]
    assert found.differences(FILLED)["prompt"] == ("another text", "What is the weather in Rome?")
    assert "schema" in found.differences(FORMED)
    asker.run("del city, Place")
    without = verify(original)
    asker.run(SETUP)
    assert without.different == [FILLED, FORMED]
    assert "Not defined in this kernel: city." in without.answers[FILLED]["note"]
    assert without.answers[FORMED]["outcome"] == "failed"
    assert "Place" in without.answers[FORMED]["note"]


def test_a_conversation_is_gone_through_in_order(verify: Callable[[Notebook], Verified], original: Notebook) -> None:
    """What was said before is part of what is asked."""
    changed = deepcopy(original)
    changed.cells[1 + FIRST].source += " I live in Bonn."
    found = verify(changed)
    assert found.different == [FIRST, SECOND]
    assert "prompt" in found.differences(SECOND)


def test_where_an_answer_begins_to_differ_is_shown_and_what_that_may_mean(
    verify: Callable[[Notebook], Verified], original: Notebook
) -> None:
    changed = deepcopy(original)
    row = record(changed, PLAIN)
    row["answer_sha256"], row["deterministic"] = "0" * 64, False
    (output,) = [each for each in changed.cells[1 + PLAIN].outputs if "jupyter_uml" in each.get("metadata", {})]
    text = output.data["text/plain"]
    output.data["text/plain"] = text[:5] + "☃" + text[6:]
    found = verify(changed)
    assert found.different == [PLAIN]
    (difference,) = found.answers[PLAIN]["differences"]
    assert (difference["what"], difference["at"]) == ("answer", 5)
    assert "☃" in difference["before"]
    assert difference["now"] == difference["before"].replace("☃", text[5])
    assert "not made deterministically" in found.answers[PLAIN]["note"]


def test_an_answer_that_outlived_its_kernel_is_compared_by_its_text(
    verify: Callable[[Notebook], Verified], original: Notebook
) -> None:
    """The server knows less of it than the kernel did."""
    changed = deepcopy(original)
    for which in (PLAIN, DRAWN):
        row = record(changed, which)
        for name in ("answer_sha256", "model_sha256", "template_sha256", "engine", "settings"):
            del row[name]
    (output,) = [each for each in changed.cells[1 + DRAWN].outputs if "jupyter_uml" in each.get("metadata", {})]
    output.data["text/plain"] += " And more."
    record(changed, FILLED)["state"] = "stopped"
    found = verify(changed)
    assert [each["outcome"] for each in found.answers[:3]] == ["equal", "differs", "skipped"]
    assert found.differences(DRAWN).keys() == {"answer"}
    assert "1 of 6 answers never came to their end ([4])" in found.errors


def test_one_cell_that_cannot_be_asked_does_not_keep_the_others(
    verify: Callable[[Notebook], Verified], original: Notebook
) -> None:
    changed = deepcopy(original)
    record(changed, PLAIN)["model"] = "gone"
    record(changed, DRAWN)["seed"] = "seven"
    record(changed, FILLED)["params"] = {"colour": "red", "temperature": "hot"}
    changed.cells[1 + FORMED].source = "1 + 1"
    found = verify(changed)
    assert [each["outcome"] for each in found.answers] == [*["failed"] * 4, "equal", "equal"]
    assert "gone" in found.answers[PLAIN]["note"]
    assert "record" in found.answers[DRAWN]["note"]
    assert "temperature" in found.answers[FILLED]["note"]
    assert "4 of 6 answers could not be compared" in found.errors


def test_stopped_in_the_middle_it_keeps_what_it_found(
    original: Notebook, asker: Kernel, place: Server, tmp_path: Path
) -> None:
    changed = deepcopy(original)
    endless = record(changed, DRAWN)
    endless["model"], endless["params"] = "endless", {"ignore_eos": True, "max_tokens": 1_000_000}
    nbformat.write(changed, tmp_path / "six.ipynb")

    def interrupt() -> None:
        wait_until(lambda: (place.model("endless")["tokens_per_second"] or 0) > 0)
        asker.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    interrupted = asker.run(f"%uml verify {tmp_path / 'six.ipynb'}")
    thread.join()
    assert "Stopped after 1 of 6" in "\n".join(interrupted.errors)
    assert "[2] What is the capital of France?  equal" in interrupted.text
    wait_until(lambda: not place.model("endless")["active"], 2)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("missing.ipynb", "There is no notebook 'missing.ipynb'"),
        ("empty.ipynb", "empty.ipynb has no recorded answers"),
        ("broken.ipynb", "broken.ipynb is not a notebook: it is not JSON"),
    ],
)
def test_what_cannot_be_verified_is_said_in_one_line(asker: Kernel, tmp_path: Path, line: str, why: str) -> None:
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "empty.ipynb")
    (tmp_path / "broken.ipynb").write_text("{")
    asker.run(f"%cd -q {tmp_path}")
    shown = asker.run(f"%uml verify {line}")
    (error,) = shown.errors
    assert why in error
    assert len(error.splitlines()) == 1


def test_run_all_again_is_instant_without_a_loaded_model_and_says_so(
    place: Server, original: Notebook, folder: Path
) -> None:
    wait_until(lambda: place.model("copy")["sha256"])  # a moment after the first use
    if place.model("copy")["state"] == "loaded":
        place.post("unload_model", {"model": "copy"})
    again = executed(place, folder)
    assert place.model("copy")["state"] == "available"
    for which in range(6):
        first, second = record(original, which), record(again, which)
        assert second == {**first, "cached": True}
        html = "".join(each.get("data", {}).get("text/html", "") for each in again.cells[1 + which].outputs)
        assert "from the cache" in html
    assert min(_seconds(cell) for cell in again.cells[2:]) < 0.1  # the first imports what it needs


def _seconds(cell: Any) -> float:
    times = cell.metadata.execution
    began, ended = (nbformat_time(times[name]) for name in ("iopub.execute_input", "shell.execute_reply"))
    return ended - began


def nbformat_time(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_the_cache_can_be_looked_at_and_cleared(asker: Kernel, original: Notebook, folder: Path) -> None:
    assert str(folder / "data") in asker.run("%uml cache").text
    assert "The cache is empty" in asker.run("%uml cache clear").text
    assert asker.run("%uml cache").text.startswith("0 files · 0 B of at most 128 MiB")
    assert not list((folder / "data" / "uml" / "cache" / "answers").iterdir())
    assert os.stat(folder / "data" / "uml" / "cache" / "answers").st_mode & 0o777 == 0o700
