"""The magics in a real kernel on a real server, and in a terminal."""

from __future__ import annotations

import threading

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from jupyter_uml.client import UniversalClient
from jupyter_uml.demo import demo_model_path
from jupyter_uml.kernel import ask
from jupyter_uml.kernel.cell_view import TerminalView
from jupyter_uml.kernel.empty_cell import as_line
from jupyter_uml.kernel.magics import UmlMagics, register
from tests.client.stub_server import DONE, Events, Reply, StubServer, delta, event, finish, model_row, usage
from tests.conftest import Server, wait_until
from tests.kernel.conftest import Kernel


def test_alone_it_shows_how_it_is_used(kernel: Kernel) -> None:
    shown = kernel.run("%uml")
    assert shown.status == "ok"
    assert "%%uml [NAME]" in shown.printed


def test_load_ask_unload(kernel: Kernel, server: Server) -> None:
    loaded = kernel.run("%uml load demo --n-threads 1")
    assert len(loaded.displays) == 1  # the progress and the result are one output
    assert "demo is loaded · context 1024 tokens" in loaded.text
    assert server.model()["state"] == "loaded"
    assert "already" not in kernel.run("%uml load demo --n-ctx 1024").text
    less = kernel.run("%uml load demo --n-ctx 512").text
    assert "demo is loaded already, with more than asked for (for less, `%uml unload demo` first)" in less
    assert "context 1024 tokens" in less

    table = kernel.run("%uml models")
    assert "<table" in table.html
    assert "loaded" in table.text

    answer = kernel.run("%%uml demo --temperature 0 --max-tokens 5\nHow do I load a model?")
    assert answer.status == "ok"
    (data,) = answer.displays
    assert "5 tokens" in data["text/html"]
    assert "cut off after 5 tokens" in data["text/html"]
    assert "5 tokens" not in data["text/plain"]  # the plain form is the answer itself

    status = kernel.run("%uml status")
    assert "1024 × 4" in status.text
    assert "memory free" in status.text
    assert "in the Jupyter server" in status.text
    assert "demo is unloaded" in kernel.run("%uml unload demo").text
    assert server.model()["state"] == "available"


def test_a_file_is_a_model_at_once(kernel: Kernel, server: Server) -> None:
    kernel.run("%uml models")  # somebody has just looked
    twin = server.models / "twin-of-a-test.gguf"
    twin.write_bytes(demo_model_path().read_bytes() + b"twin")  # an equal copy would count as one model
    try:
        assert "twin-of-a-test" in kernel.run("%uml models").text
    finally:
        twin.unlink()
        kernel.run("%uml models")


def test_estimate_tells_whether_it_fits_and_what_for(kernel: Kernel, server: Server) -> None:
    shown = kernel.run("%uml estimate demo --n-ctx 512 --n-parallel 2")
    assert shown.status == "ok", shown.errors
    assert "demo fits" in shown.text
    assert "Weights" in shown.text
    assert "context 512 tokens, 2 at a time" in shown.text
    assert "<table" in shown.html
    refused = kernel.run("%uml estimate no-such-model")
    assert "No model is called 'no-such-model'" in refused.errors[0]


def test_a_pinned_model_says_so_until_it_is_let_go(kernel: Kernel, server: Server) -> None:
    pinned = kernel.run("%uml pin demo")
    assert pinned.status == "ok", pinned.errors
    assert "demo is loaded" in pinned.text
    assert pinned.text.endswith("pinned")
    assert server.model()["pinned"] is True
    assert "pinned" in kernel.run("%uml status").text
    assert "demo is not pinned" in kernel.run("%uml unpin demo").text
    assert server.model()["pinned"] is False
    kernel.run("%uml unload demo")
    assert "demo is not pinned" in kernel.run("%uml unpin demo").text
    assert server.model()["state"] == "available"  # letting go of what is not loaded loads nothing


def test_how_long_a_model_stays_is_shown(kernel: Kernel, server: Server) -> None:
    kernel.run("%uml unload demo")
    loaded = kernel.run("%uml load demo --keep-alive 10m")
    assert loaded.status == "ok", loaded.errors
    assert "unloads in 10 min" in loaded.text
    assert "in 10 min" in kernel.run("%uml models").text
    answer = kernel.run("%%uml demo --max-tokens 2 --keep-alive -1\nhi")
    assert answer.status == "ok", answer.errors
    assert server.model()["expires_in"] is None
    kernel.run("%uml unload demo")


def test_the_answer_is_the_clients(kernel: Kernel, client: UniversalClient) -> None:
    shown = kernel.run('%%uml demo --temperature 0 --max-tokens 9 --system "Be brief."\nWho are you?')
    expected = client.chat("Who are you?", model="demo", temperature=0, max_tokens=9, system="Be brief.")
    assert shown.displays[0]["text/plain"] == expected.text


def test_an_answer_streams_in_few_updates(kernel: Kernel) -> None:
    kernel.run("%uml load endless")
    shown = kernel.run("%%uml endless --max-tokens 500 --seed 1\nHow do I load a model?")
    assert len(shown.displays) == 1
    assert len(shown.steps) > 2
    lengths = [len(step["text/plain"]) for step in shown.steps]
    assert lengths == sorted(lengths)
    assert "500 tokens" in shown.html


def test_a_cell_may_offer_functions_of_the_notebook(kernel: Kernel) -> None:
    kernel.run(
        "lights = {}\n"
        "def set_light(room: str, state: str) -> dict:\n"
        '    "Turn the light of a room on or off"\n'
        "    lights[room] = state\n"
        "    return {'ok': True}"
    )
    shown = kernel.run("%%uml demo --tools set_light --yes --temperature 0\nTurn on the light in the kitchen")
    assert shown.status == "ok", shown.errors
    call, result, answer = (data["text/plain"] for data in shown.displays)
    assert call == '→ set_light {"room": "kitchen", "state": "on"}'
    assert result == '← {"ok":true}'
    assert answer == "The kitchen light is on."
    assert "waits for set_light" in shown.displays[0]["text/html"]
    assert kernel.run("print(lights)").printed == "{'kitchen': 'on'}\n"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("%%uml demo --tools nothing\nhi", "no function 'nothing'"),
        ("%uml load no-such-model", "No model is called 'no-such-model'"),
        ("%uml load demo --nope", "--nope"),
        ("%uml frobnicate", "frobnicate"),
        ("%%uml demo --temperature 99\nhi", "temperature"),
        ("%%uml demo\n  \n", "empty"),
    ],
)
def test_errors_are_one_line_and_stop_run_all(kernel: Kernel, code: str, words: str) -> None:
    shown = kernel.run(code)
    assert shown.status == "error"
    (error,) = shown.errors
    assert words in error
    assert "\n" not in error
    assert "Traceback" not in error + shown.printed


def test_an_interrupt_keeps_what_came(kernel: Kernel, server: Server) -> None:
    def interrupt() -> None:
        wait_until(lambda: (server.model("endless")["tokens_per_second"] or 0) > 0)
        kernel.interrupt()

    server.post("unload_model", {"model": "endless"})  # so that its speed is this answer's, not an earlier one's
    thread = threading.Thread(target=interrupt)
    thread.start()
    shown = kernel.run("%%uml endless\nHow do I load a model?")
    thread.join()
    wait_until(lambda: server.model("endless")["active"] == 0, 5)
    assert shown.status == "error"  # cells that were queued after it do not run
    assert shown.text
    assert "stopped" in shown.html
    assert "Traceback" not in "".join(shown.errors)
    assert kernel.run("1 + 1").status == "ok"


# --- in a terminal ---------------------------------------------------------------------------


def test_a_terminal_gets_plain_text(shell: InteractiveShell, stub: StubServer) -> None:
    stub.answer("models", Reply({"models": [model_row()]}))
    stub.answer("v1/chat/completions", Events([delta("**Hel"), delta("lo**"), *_ending()]))
    with capture_output() as captured:
        shell.run_cell("%uml models")
        shell.run_cell("%%uml\nhi")
    assert "Model  State" in captured.stdout
    assert (
        "**Hello**\n[demo · 11 tokens · 10 tokens/s · 60% of the prompt cached · first token 100 ms · complete]\n"
        in captured.stdout
    )
    assert "<" not in captured.stdout


def test_a_terminal_shows_reasoning_and_calls(shell: InteractiveShell, stub: StubServer) -> None:
    call = {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    pieces = [delta("", reasoning_content="Hm."), delta("I look."), delta("", tool_calls=[call]), finish("tool_calls")]
    stub.answer("v1/chat/completions", Events([*pieces, DONE]))
    with capture_output() as captured:
        shell.run_cell("%%uml demo\nhi")
    assert 'Hm.\n\nI look.\n→ f {"a": 1}\n[demo · first token 100 ms · waits for f]\n' in captured.stdout


def test_loaded_again_it_takes_the_place_of_what_was_there(shell: InteractiveShell) -> None:
    shell.update_config(Config({"UmlMagics": {"max_tokens": 7}}))
    parts = [shell.Completer.custom_matchers, shell.input_transformers_cleanup, shell.configurables]
    before = [len(part) for part in parts]
    register(shell)
    assert [len(part) for part in parts] == before
    (magics,) = (each for each in shell.configurables if isinstance(each, UmlMagics))
    assert magics.max_tokens == 7


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        ("%%uml fix", "%uml fix"),
        ("%%uml explain demo\n\n", "%uml explain demo"),
        ("%%uml", "%uml"),
        ("%%uml demo", "%%uml demo"),
        ("%%uml fix\nPlease", "%%uml fix\nPlease"),
        ("%%time", "%%time"),
    ],
)
def test_a_cell_without_a_text_is_a_line_where_none_is_needed(cell: str, line: str) -> None:
    assert "".join(as_line(cell.splitlines(keepends=True))).strip() == line


def test_an_answer_in_a_form_is_an_object(shell: InteractiveShell, stub: StubServer) -> None:
    stub.answer("v1/chat/completions", Events([delta('{"name": "Bonn",'), delta(' "size": 336}'), *_ending()]))
    with capture_output():
        shell.run_cell("from dataclasses import dataclass\n@dataclass\nclass City:\n    name: str\n    size: int")
        assert shell.run_cell("%%uml demo --schema City --var city\nhi").success
    assert shell.user_ns["city"] == shell.user_ns["City"]("Bonn", 336)
    (body,) = stub.asked("v1/chat/completions")
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["name", "size"]


def test_what_is_proposed_is_put_into_the_next_cell_and_not_run(shell: InteractiveShell, stub: StubServer) -> None:
    answer = "There is no y.\n```python\nx = 1\nfixed = x\n```\n"
    stub.answer("v1/chat/completions", Events([delta(answer), *_ending()]))
    proposed: list[str] = []
    shell.set_next_input = lambda text, replace=False: proposed.append(text)  # type: ignore[method-assign]
    with capture_output():
        shell.run_cell("x = 1\nfixed = y")
        assert shell.run_cell("%%uml fix demo\nUse x.").success
        assert shell.run_cell("%uml explain demo").success
    assert proposed == ["x = 1\nfixed = x"]
    assert "fixed" not in shell.user_ns
    asked = stub.asked("v1/chat/completions")[0]["messages"][-1]["content"]
    assert "x = 1\nfixed = y" in asked
    assert "NameError: name 'y' is not defined" in asked
    assert asked.endswith("Use x.")


FOUND = {
    "id": "pull_1",
    "model": "o/r",
    "commit": "c",
    "quantisation": "Q4_K_M",
    "files": ["r-Q4_K_M.gguf"],
    "size_bytes": 4 << 30,
    "why": "It fits this machine.",
}
CAME = {
    "doing": "downloading",
    "file": "r-Q4_K_M.gguf",
    "bytes": 1 << 30,
    "total_bytes": 4 << 30,
    "bytes_per_second": 5 << 20,
    "seconds_left": 614.0,
}
PULLED = {"id": "pull_1", "model": "r-Q4_K_M", "commit": "c", "size_bytes": 4 << 30}


def test_a_pull_says_what_comes_and_why_and_what_to_load(shell: InteractiveShell, stub: StubServer) -> None:
    stub.answer("pull", Events([event(FOUND, "found"), event(CAME, "progress"), event(PULLED, "done")]))
    with capture_output() as captured:
        assert shell.run_cell("%uml pull o/r").success
    assert "o/r: r-Q4_K_M.gguf. It fits this machine.\n" in captured.stdout
    assert captured.stdout.endswith("r-Q4_K_M is here · 4 GiB · `%uml load r-Q4_K_M` loads it\n")


def test_interrupting_a_pull_ends_only_the_following(
    shell: InteractiveShell, stub: StubServer, stub_client: UniversalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TerminalView, "progress", interrupted)
    stub.answer("pull", Events([event(FOUND, "found"), stub.until(threading.Event())]))
    with capture_output() as captured:
        assert not shell.run_cell("%uml pull o/r").success
    assert "The download goes on in the Jupyter server" in captured.stdout
    assert "`%uml pull o/r --stop` ends it" in captured.stdout


def test_a_pull_is_stopped_by_its_name(shell: InteractiveShell, stub: StubServer) -> None:
    stub.answer("pull", Reply({"pulls": [{"id": "pull_1", "model": "o/r", "found": None, "progress": CAME}]}))
    stub.answer("pull/pull_1", Reply({"id": "pull_1", "model": "o/r", "found": None, "progress": CAME}))
    with capture_output() as captured:
        assert shell.run_cell("%uml pull o/r --stop").success
        assert not shell.run_cell("%uml pull o/other --stop").success
    assert "The pull of o/r is ended. What has come is kept" in captured.stdout
    assert "No pull of 'o/other' is running" in captured.stdout
    assert [(method, path) for method, path, *_ in stub.requests if method == "DELETE"] == [("DELETE", "pull/pull_1")]


def test_what_cannot_be_loaded_is_told_when_asked_for(shell: InteractiveShell, stub: StubServer) -> None:
    broken = model_row("broken", "available", reason="The file is cut off.")
    stub.answer("models", Reply({"models": [broken, model_row()]}))
    with capture_output() as captured:
        shell.run_cell("%uml models")
        assert "1 cannot be loaded" in captured.stdout
        assert "cut off" not in captured.stdout
        shell.run_cell("%uml models --all")
    assert "The file is cut off." in captured.stdout


def test_models_are_listed_by_a_word(shell: InteractiveShell, stub: StubServer) -> None:
    stub.answer("models", Reply({"models": [model_row("Qwen3-8B"), model_row("gemma")]}))
    with capture_output() as captured:
        shell.run_cell("%uml models qwen")
    assert "Qwen3-8B" in captured.stdout
    assert "gemma" not in captured.stdout
    with capture_output() as captured:
        shell.run_cell("%uml models llama")
    assert "No model has “llama” in its name." in captured.stdout


def test_a_model_that_calls_for_ever_is_stopped(
    shell: InteractiveShell, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask, "MAX_ROUNDS", 3)
    call = {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    stub.answer("v1/chat/completions", Events([delta("", tool_calls=[call]), finish("tool_calls"), DONE]))
    with capture_output() as captured:
        shell.run_cell("def f(): return 'x'")
        result = shell.run_cell("%%uml demo --tools f --yes\nhi")
    assert not result.success
    assert "After 3 rounds" in captured.stdout
    assert len(stub.asked("v1/chat/completions")) == 3


def test_a_broken_answer_is_shown_as_such(shell: InteractiveShell, stub: StubServer) -> None:
    died = event({"error": {"message": "The process ended.", "code": "worker_died"}}, "error")
    stub.answer("v1/chat/completions", Events([delta("half"), died]))
    with capture_output() as captured:
        result = shell.run_cell("%%uml demo\nhi")
    assert not result.success
    assert "half\n[demo · not complete]\n" in captured.stdout
    assert "The process ended." in captured.stdout
    assert "Traceback" not in captured.stdout + captured.stderr


def _ending() -> list[bytes]:
    return [finish(), usage(), DONE]
