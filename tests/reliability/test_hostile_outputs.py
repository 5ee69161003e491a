"""What a model writes comes to whoever asked as it was written, and does nothing on the way: nothing is fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from jupyter_uml.client import UniversalClient
from jupyter_uml.display.bundle import MARK
from jupyter_uml.display.highlight import PALETTE
from jupyter_uml.kernel import notebook
from jupyter_uml.kernel.chat_panel import ChatPanel
from jupyter_uml.kernel.magics import register
from tests.conftest import Server, launch
from tests.display.test_render import check
from tests.kernel.conftest import Kernel
from tests.reliability.canary import Canary, canary
from tests.reliability.hostile_text import END, HARM, TERMINAL, TURNED, hostile_text
from tests.reliability.parrot import parrot
from tests.server.socket_client import dial

CALL_NAME = '<img src="{url}/name" onerror="' + HARM + '">\u202e\x1b[31m'
ENDS = ("data: [DONE]", "event: message_stop", "event: response.completed")


@pytest.fixture(scope="module")
def bird() -> Iterator[Canary]:
    with canary() as server:
        yield server


@pytest.fixture(scope="module")
def text(bird: Canary) -> str:
    return hostile_text(bird.url)


@pytest.fixture(scope="module")
def target(bird: Canary, text: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a model `parrot` that writes the hostile text, and one, `caller`, that calls a hostile tool."""
    folder = tmp_path_factory.mktemp("outputs")
    (folder / "models").mkdir()
    parrot(folder / "models" / "parrot.gguf", text, name=text[:200])
    call = {"name": CALL_NAME.replace("{url}", bird.url), "arguments": {text[:60]: text}}
    parrot(folder / "models" / "caller.gguf", f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>")
    server = launch(folder)
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def nothing_fetched(bird: Canary) -> Iterator[None]:
    yield
    assert bird.hits == []


# --- HTTP ------------------------------------------------------------------------------------

TALK = [{"role": "user", "content": "Hi"}]
CALLS: dict[str, dict[str, Any]] = {
    "v1/chat/completions": {"messages": TALK},
    "v1/completions": {"prompt": "Hi\n", "max_tokens": 1900},
    "v1/messages": {"messages": TALK, "max_tokens": 1900},
    "v1/responses": {"input": "Hi"},
}


def written(path: str, body: dict[str, Any]) -> str:
    """The text of a whole answer."""
    match path:
        case "v1/chat/completions":
            return str(body["choices"][0]["message"]["content"])
        case "v1/completions":
            return str(body["choices"][0]["text"])
        case "v1/messages":
            return str(body["content"][0]["text"])
    return str(body["output"][0]["content"][0]["text"])


def piece(path: str, data: dict[str, Any]) -> str:
    """The text of an event."""
    match path:
        case "v1/chat/completions":
            return str(data["choices"][0]["delta"].get("content") or "") if data["choices"] else ""
        case "v1/completions":
            return str(data["choices"][0]["text"]) if data["choices"] else ""
        case "v1/messages":
            return str(data.get("delta", {}).get("text", ""))
    return str(data["delta"]) if data["type"] == "response.output_text.delta" else ""


@pytest.mark.parametrize("path", CALLS)
def test_a_whole_answer_is_data_that_no_browser_takes_for_a_page(target: Server, text: str, path: str) -> None:
    response = target.post(path, {"model": "parrot", **CALLS[path]})
    assert response.status_code == 200, response.text[:300]
    assert written(path, response.json()) == text
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", CALLS)
def test_no_text_forges_an_event_of_the_stream(target: Server, text: str, path: str) -> None:
    response = target.post(path, {"model": "parrot", "stream": True, **CALLS[path]})
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    events = response.content.decode().removesuffix("\n\n").split("\n\n")
    assert [event for event in events if event.startswith(ENDS)] == events[-1:]
    pieces = []
    for event in events:
        data = event.partition("data: ")[2]
        if data != "[DONE]":
            assert "\n" not in data
            pieces.append(piece(path, json.loads(data)))
    assert "".join(pieces) == text


@pytest.mark.anyio
async def test_over_the_socket_it_is_the_same_text(target: Server, text: str) -> None:
    async with dial(target) as client:
        await client.until("ready")
        await client.start("1", {"model": "parrot", "messages": TALK, "stream": True})
        heard = await client.until("done", "1")
    parts = [piece("v1/chat/completions", message["data"]) for message in heard if message["type"] == "delta"]
    assert "".join(parts) == text


def test_the_client_reads_the_same_text(target: Server, text: str) -> None:
    with UniversalClient(target.url, target.token) as client:
        assert client.chat("Hi", model="parrot").text == text
        assert "".join(chunk.text for chunk in client.stream("Hi", model="parrot")) == text


def test_a_hostile_name_in_a_file_is_no_name_of_a_model(target: Server, bird: Canary) -> None:
    (target.models / "<img src=x onerror=alert(1)>;$(id)\u202e.gguf").write_bytes(b"GGUF")
    for row in target.get("models").json()["models"]:
        assert set(row["id"]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/-")
        assert bird.url not in row["id"]


# --- the notebook and the terminal -----------------------------------------------------------


@pytest.fixture(scope="module")
def kernel(target: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = Kernel(target.url, target.token, str(tmp_path_factory.mktemp("kernel")))
    yield kernel
    kernel.close()


def check_plain(shown: str) -> None:
    """Nothing in it moves the cursor, sets a title, or turns the text round."""
    assert not any(char in shown for char in "\x1b\x07\x08\x7f\r\x9b\x85\u202e\u202d\u2066")


def test_a_cell_shows_text_and_nothing_else(kernel: Kernel) -> None:
    shown = kernel.run("%%uml parrot\nHi")
    assert shown.status == "ok", shown.errors
    for step in shown.steps:
        assert set(step) == {"text/html", "text/plain"}
        check_plain(step["text/plain"] + step["text/html"])
    body, _, note = shown.html.rpartition("<div")
    check(body.removeprefix(f'<div class="{MARK}" style="overflow-wrap:anywhere;{PALETTE}">').removesuffix("</div>"))
    assert END in body
    assert "tokens" in note


def test_a_call_of_a_hostile_tool_is_text_and_calls_nothing(kernel: Kernel) -> None:
    # No grammar forces a call of this one, so that the model's own one comes through.
    kernel.run("def harmless(x: set[str]) -> str:\n    raise SystemExit('harmed')")
    shown = kernel.run("%%uml caller --tools harmless\nHi")
    assert "harmed" not in "".join(shown.errors)
    assert "<img" not in shown.html
    assert "<script" not in shown.html
    assert "→ &lt;img src=" in shown.html
    check_plain(shown.text + shown.html)


def test_a_panel_shows_text_and_nothing_else(target: Server) -> None:
    with UniversalClient(target.url, target.token) as client:
        panel = ChatPanel("parrot", client=client)
        panel.send(f"{TERMINAL}{TURNED}")
        panel.wait()
        html = "".join(panel.view.blocks(panel.view.turns[-1]["id"], "text"))
        assert END in html
        check(html)
        check_plain(html)


def test_in_a_terminal_control_characters_are_seen_and_do_nothing(
    target: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    register(shell)
    try:
        with UniversalClient(target.url, target.token) as client:
            monkeypatch.setattr(notebook, "shared_client", lambda: client)
            with capture_output() as captured:
                shell.run_cell("%%uml parrot\nHi")
                shell.run_cell("%uml models")
    finally:
        shell.history_manager.end_session()
        InteractiveShell.clear_instance()
    assert END in captured.stdout
    assert "␛]0;harmed␇␛[2J" in captured.stdout
    check_plain(captured.stdout)
