"""`%uml verify` in plain IPython, with models in this process: the answers of the session are asked again."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbformat.v4 import new_code_cell, new_notebook

from jupyter_uml.client import UniversalClient
from jupyter_uml.client.local_transport import LocalTransport
from jupyter_uml.kernel import notebook
from jupyter_uml.kernel.magics import register

QUESTION = "%%uml demo --temperature 0 --max-tokens 12 --deterministic --no-cache"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    with UniversalClient(transport=LocalTransport()) as client:
        monkeypatch.setattr(notebook, "shared_client", lambda: client)
        shell = InteractiveShell()
        shell.history_manager.enabled = False
        register(shell)
        yield shell
        shell.history_manager.end_session()
        InteractiveShell.clear_instance()


def run(shell: InteractiveShell, cell: str) -> tuple[bool, str]:
    with capture_output() as captured:
        success = shell.run_cell(cell, store_history=True).success
    return success, captured.stdout


def test_the_answers_of_the_session_are_asked_again(shell: InteractiveShell) -> None:
    success, said = run(shell, "%uml verify")
    assert not success
    assert "This session has no answers yet" in said
    for cell in (
        "name = 'Ada'",
        f"{QUESTION} --chat\nMy name is {{name}}.",
        f"{QUESTION} --chat\nWhat is my name?",
        "%uml reset",
        f"{QUESTION} --chat\nWhat is my name?",
        f"{QUESTION} --cells 2\nWhat is the name?",
        f"{QUESTION} --chat demo\nWhat is my name?",
    ):
        success, said = run(shell, cell)
        assert success, said
    success, said = run(shell, "%uml verify")
    assert success, said
    assert "5 answers are equal. · the answers of this session" in said
    run(shell, "name = 'Eva'")
    success, said = run(shell, "%uml verify")
    assert not success
    assert "another text" in said
    assert "My name is Eva." in said
    assert "of 5 answers differ ([3], [4]" in said


def test_of_a_strangers_notebook_nothing_is_run(shell: InteractiveShell, tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "stranger.ipynb"
    shell.user_ns |= {"mark": mark, "row": {"name": "Ada"}}
    saved(
        path,
        "%%uml demo\nWho is {row['name']}?",
        "%%uml demo\nWho is {mark.touch()}?",
        "%%uml demo --schema 'mark.touch() or dict'\nWho is it?",
        "%uml set system {mark.touch()}\n%%uml demo --system {mark.touch()}\nWho is it?",
        "%%uml {mark.touch()}\nWho is it?",
    )
    first, *others = reported(shell, path)
    assert not mark.exists()
    assert "Who is Ada?" in [each["now"] for each in first["differences"]]
    assert {each["outcome"] for each in others} == {"failed"}
    assert "mark.touch() would run code" in others[0]["note"]
    assert "mark.touch() or dict would run code" in others[1]["note"]


def test_a_record_that_was_made_up_fails_alone(shell: InteractiveShell, tmp_path: Path) -> None:
    deep: list[object] = []
    for _ in range(200):
        deep = [deep]
    made_up = ({"logit_bias": deep}, {"stop": deep}, {"temperature": float("nan")}, {"max_tokens": 10**40})
    path = tmp_path / "odd.ipynb"
    saved(path, *["%%uml demo --max-tokens 3\nHi"] * len(made_up), params=made_up)
    assert [each["outcome"] for each in reported(shell, path)] == ["failed"] * len(made_up)


def reported(shell: InteractiveShell, path: Path) -> list[dict[str, Any]]:
    _, said = run(shell, f"%uml verify {path} --json")
    report, _ = json.JSONDecoder().raw_decode(said)
    return list(report["answers"])


def saved(path: Path, *sources: str, params: Sequence[object] = ()) -> None:
    """A notebook with an answer to each of these cells."""
    cells: list[Any] = [new_code_cell(source) for source in sources]
    for number, cell in enumerate(cells):
        record = {"generation": "a" * 32, "state": "done", "model": "demo", "prompt_sha256": "b" * 64, "seed": 1}
        record["params"] = params[number] if params else {"max_tokens": 3}
        metadata = {"jupyter_uml": record}
        cell.outputs = [{"output_type": "display_data", "data": {"text/plain": "hi"}, "metadata": metadata}]
    path.write_text(json.dumps(new_notebook(cells=cells)))
