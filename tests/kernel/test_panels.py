"""The panels, driven as the page drives them; what they show is what the server says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from jupyter_uml.client import UniversalClient
from jupyter_uml.kernel.chat_panel import ChatPanel
from jupyter_uml.kernel.model_panel import ModelPanel
from jupyter_uml.types import EffectiveSettings
from tests.client.stub_server import DONE, Events, Reply, StubServer, delta, event, finish, model_row, usage
from tests.conftest import Server, wait_until

CHAT = "v1/chat/completions"


def kinds(panel: ChatPanel) -> list[str]:
    return [turn["kind"] for turn in panel.view.turns]


def act(panel: ChatPanel, action: str, text: str = "") -> None:
    """What the page sends."""
    panel.view._handle_custom_msg({"action": action, "text": text}, [])


@pytest.fixture
def chat(stub: StubServer, stub_client: UniversalClient) -> ChatPanel:
    stub.answer("models", Reply({"models": [model_row()]}))
    return ChatPanel("demo", system="Be brief.", client=stub_client)


def answering(*pieces: bytes | Callable[[], Any]) -> Events:
    return Events([*pieces, finish(), usage(), DONE])


# --- ChatPanel -------------------------------------------------------------------------------


def test_a_conversation(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, answering(delta("**Hi**")), answering(delta("Bye")))
    act(chat, "send", " Hello \n")
    chat.wait()
    act(chat, "send", "Good bye")
    chat.wait()
    assert kinds(chat) == ["question", "answer"] * 2
    first, answer, *_ = chat.view.turns
    assert first["text"] == "Hello"
    assert answer["html"] == "<p><strong>Hi</strong></p>\n"
    assert "11 tokens" in answer["note"]
    assert chat.view.heading == "demo"
    assert (chat.view.live, chat.view.busy) == ({}, False)
    assert stub.asked(CHAT)[1]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "**Hi**"},
        {"role": "user", "content": "Good bye"},
    ]


def test_an_answer_is_seen_while_it_is_written(chat: ChatPanel, stub: StubServer) -> None:
    gate = threading.Event()
    stub.answer(CHAT, answering(delta("half"), stub.until(gate), delta(" whole")))
    chat.send("hi")
    assert chat.view.busy
    wait_until(lambda: "half" in chat.view.live.get("html", ""))
    chat.send("a question in between is not taken")
    gate.set()
    chat.wait()
    assert kinds(chat) == ["question", "answer"]
    assert chat.view.turns[-1]["html"] == "<p>half whole</p>\n"


def test_reasoning_is_shown_and_not_sent_back(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer("v1/chat/completions", Events([delta("", reasoning_content="Hm."), delta("Hello"), finish(), DONE]))
    chat.send("one")
    chat.wait()
    assert "Hm." in chat.view.turns[-1]["html"]
    chat.send("two")
    chat.wait()
    assert "Hm." not in str(stub.asked("v1/chat/completions")[-1])


def test_stop_keeps_what_came(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, answering(delta("half"), stub.until(threading.Event())))
    chat.send("hi")
    wait_until(lambda: "half" in chat.view.live.get("html", ""))
    act(chat, "stop")
    chat.wait()
    assert stub.hung_up.wait(2)
    assert chat.view.turns[-1] == {"kind": "answer", "html": "<p>half</p>\n", "note": "demo · stopped"}
    assert not chat.view.busy


def test_an_error_loses_no_question(chat: ChatPanel, stub: StubServer) -> None:
    died = event({"error": {"message": "The process ended.", "code": "worker_died"}}, "error")
    stub.answer(CHAT, Events([delta("half"), died]), answering(delta("fine")))
    chat.send("hi")
    chat.wait()
    assert kinds(chat) == ["question", "answer", "error"]
    assert chat.view.turns[1]["note"] == "not complete"
    assert chat.view.turns[2]["text"] == "The process ended."
    act(chat, "retry")
    chat.wait()
    assert kinds(chat)[-1] == "answer"
    assert stub.asked(CHAT)[0]["messages"] == stub.asked(CHAT)[1]["messages"]


def test_clear_forgets_and_stops(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, answering(delta("half"), stub.until(threading.Event())), answering(delta("fine")))
    chat.send("hi")
    wait_until(lambda: "half" in chat.view.live.get("html", ""))
    act(chat, "clear")
    chat.wait()
    assert chat.view.turns == []
    assert not chat.view.busy
    chat.send("again")
    chat.wait()
    assert [message["content"] for message in stub.asked(CHAT)[-1]["messages"]] == ["Be brief.", "again"]


def test_strange_messages_do_nothing(chat: ChatPanel, stub: StubServer) -> None:
    chat.view._handle_custom_msg("text", [])
    act(chat, "explode")
    act(chat, "send", "   ")
    act(chat, "retry")
    act(chat, "stop")
    assert chat.view.turns == []
    assert stub.asked(CHAT) == []


def test_hostile_answers_are_harmless(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, answering(delta("<img src=x onerror=alert(1)>")))
    chat.send("<script>hi</script>")
    chat.wait()
    assert chat.view.turns[0] == {"kind": "question", "text": "<script>hi</script>"}  # shown as text
    assert "<img" not in chat.view.turns[1]["html"]


def test_a_panel_on_a_real_server(client: UniversalClient, server: Server) -> None:
    panel = ChatPanel("endless", client=client)
    panel.send("How do I load a model?")
    wait_until(lambda: panel.view.live.get("html"))
    panel.stop()
    panel.wait()
    wait_until(lambda: server.model("endless")["active"] == 0, 1)
    assert "stopped" in panel.view.turns[-1]["note"]


# --- ModelPanel ------------------------------------------------------------------------------


@pytest.fixture
def models(client: UniversalClient) -> ModelPanel:
    client.unload("demo")
    panel = ModelPanel(client=client)
    panel.wait()
    panel.model = "demo"
    return panel


def test_load_and_unload(models: ModelPanel, server: Server) -> None:
    assert models._load_button.description == "Load"
    assert models._unload_button.disabled
    models._load_button.click()
    models.wait()
    assert server.model()["state"] == "loaded"
    assert models._load_button.description == "Reload"
    assert "context 1024 tokens" in models._status.value
    assert "memory free" in models._status.value
    assert "demo · 5.89" in models._choice.label
    assert "loaded" in models._choice.label
    models._unload_button.click()
    models.wait()
    assert server.model()["state"] == "available"
    assert models._unload_button.disabled
    assert models.model == "demo"


def test_options_are_sent(models: ModelPanel, server: Server) -> None:
    models._options._fields["n_ctx"].value = " 512 "
    models._options._fields["n_parallel"].value = "2"
    models.load()
    models.wait()
    settings = server.model()["settings"]
    assert (settings["n_ctx"], settings["n_parallel"]) == (512, 2)
    models._options._fields["n_ctx"].value = "many"
    models.load()
    models.wait()
    assert "is not a whole number" in models._error.value
    assert models._error.layout.display == ""
    models.unload()
    models.wait()
    assert models._error.value == ""
    assert models._error.layout.display == "none"


def test_progress_and_errors_are_the_servers(stub: StubServer, stub_client: UniversalClient) -> None:
    gate = threading.Event()
    stub.answer("health", Reply({"memory": {"total_bytes": 2_000_000_000, "available_bytes": 10**9}}))
    stub.answer("models", Reply({"models": [model_row(state="available")]}))
    stub.answer("models/demo", Reply(model_row(state="loading", progress=0.5)))
    stub.answer("load_model", Reply({"error": {"message": "It is <damaged>.", "code": "model_load_failed"}}, 422))
    stub.hold("load_model", gate)
    panel = ModelPanel(client=stub_client)
    panel.wait()
    assert panel._progress_row.layout.display == "none"
    panel.load()
    wait_until(lambda: panel._bar.value == 0.5)
    assert panel._progress_row.layout.display == ""
    assert "50%" in panel._progress_label.value
    assert panel._unload_button.description == "Cancel"
    assert panel._load_button.disabled
    gate.set()
    panel.wait()
    assert panel._error.value == "It is &lt;damaged&gt;."
    assert "954 MiB of 1.86 GiB memory free" in panel._status.value


def test_no_server(stub: StubServer, stub_client: UniversalClient) -> None:
    panel = ModelPanel(client=stub_client)
    panel.wait()
    assert panel._error.value == "no such route"
    assert panel._load_button.disabled


def test_a_new_model_appears_by_refresh(stub: StubServer, stub_client: UniversalClient) -> None:
    stub.answer("health", Reply({}))
    stub.answer("models", Reply({"models": []}), Reply({"models": [model_row("a"), model_row("b")]}))
    panel = ModelPanel(client=stub_client)
    panel.wait()
    assert panel.model is None
    panel.refresh()
    panel.wait()
    assert panel.model == "a"


def test_a_panel_follows_what_others_begin(stub: StubServer, stub_client: UniversalClient) -> None:
    stub.answer("health", Reply({}))
    stub.answer("models", Reply({"models": [model_row(state="available")]}), Reply({"models": [model_row()]}))
    panel = ModelPanel(client=stub_client)
    panel.wait()
    assert "available" in panel._status.value
    stub.answer(CHAT, answering(delta("hi")))
    ChatPanel("demo", client=stub_client).send("hello")
    wait_until(lambda: "loaded" in panel._status.value)


def estimate(verdict: str, **more: Any) -> dict[str, Any]:
    settings = asdict(EffectiveSettings(4096, 4, 1, 0, "f16"))
    figures = {"needed_bytes": 2, "available_bytes": 1, "largest_context": 8192}
    return {
        "model": "demo",
        "verdict": verdict,
        "fits": True,
        "as_wished": True,
        "settings": settings,
        **figures,
        **more,
    }


@pytest.fixture
def unloaded(stub: StubServer, stub_client: UniversalClient) -> ModelPanel:
    stub.answer("health", Reply({}))
    rows = [model_row(state="available"), model_row("b", "available"), model_row("bad", reason="It is damaged.")]
    stub.answer("models", Reply({"models": rows}))
    stub.answer("estimate", Reply(estimate("fits: needs 1 GiB, has 2 GiB")))
    panel = ModelPanel(client=stub_client)
    panel.wait()
    return panel


def test_whether_it_fits_is_said_before_it_is_loaded(unloaded: ModelPanel, stub: StubServer) -> None:
    wait_until(lambda: "Fits: needs 1 GiB, has 2 GiB" in unloaded._fit.html.value)
    assert "largest context 8192 tokens" in unloaded._fit.html.value
    stub.answer("estimate", Reply(estimate("does not fit: needs 3 GiB, has 2 GiB", fits=False)))
    before = len(stub.asked("estimate"))
    for text in ("8", "80", "8000"):  # as it is typed
        unloaded._options._fields["n_ctx"].value = text
    wait_until(lambda: "Does not fit: needs 3 GiB, has 2 GiB" in unloaded._fit.html.value)
    assert stub.asked("estimate")[before:] == [{"model": "demo", "n_ctx": 8000}]
    unloaded.model = "b"
    assert unloaded._fit.html.value == ""  # not the other one's
    wait_until(lambda: stub.asked("estimate")[-1]["model"] == "b")
    unloaded._options._fields["n_ctx"].value = "many"
    assert "is not a whole number" in unloaded._fit.html.value


def test_what_cannot_be_loaded_cannot_be_chosen(unloaded: ModelPanel) -> None:
    assert [model for _, model in unloaded._choice.options] == ["demo", "b"]


def test_how_long_it_is_to_stay_goes_with_the_load(unloaded: ModelPanel, stub: StubServer) -> None:
    stub.answer("load_model", Reply(model_row()))
    for text in ("10m", "90"):
        unloaded._options._keep_alive.value = text
        unloaded.load()
        unloaded.wait()
    assert [body["keep_alive"] for body in stub.asked("load_model")] == [600, 90]
    unloaded._options._keep_alive.value = "soon"
    unloaded.load()
    unloaded.wait()
    assert "keep_alive must be" in unloaded._error.value


def test_a_model_that_waits_for_memory_can_be_called_off(stub: StubServer, stub_client: UniversalClient) -> None:
    gate = threading.Event()
    stub.answer("health", Reply({}))
    stub.answer("models", Reply({"models": [model_row(state="available")]}))
    stub.answer("models/demo", Reply(model_row(state="queued", estimated_bytes=3 << 30)))
    stub.answer("load_model", Reply(model_row()))
    stub.hold("load_model", gate)
    panel = ModelPanel(client=stub_client)
    panel.wait()
    panel.load()
    wait_until(lambda: "needs 3 GiB and waits for memory" in panel._progress_label.value)
    assert (panel._unload_button.description, panel._unload_button.disabled) == ("Cancel", False)
    gate.set()
    panel.wait()


def test_pin_and_let_go(models: ModelPanel, server: Server) -> None:
    models.pin()
    models.wait()
    assert server.model()["pinned"] is True
    assert "uml-pinned" in models._pin_button._dom_classes
    assert "pinned" in models._status.value
    models.pin()
    models.wait()
    assert server.model()["pinned"] is False
    assert "uml-pinned" not in models._pin_button._dom_classes
    models.unload()
    models.wait()
