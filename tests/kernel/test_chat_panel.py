"""The panel for a conversation, driven as the page drives it; what it shows is what the server says."""

from __future__ import annotations

import base64
import gc
import json
import re
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_uml.client import UniversalClient
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.chat import desk
from jupyter_uml.kernel.chat.export import save
from jupyter_uml.kernel.chat.live_answer import LiveAnswer
from jupyter_uml.kernel.chat_panel import ChatPanel
from jupyter_uml.kernel.live_models import live_models
from jupyter_uml.types import IMAGE_MARK, ModelInfo
from tests.client.stub_server import DONE, Events, Reply, StubServer, delta, event, finish, model_row, usage
from tests.conftest import Server, wait_until
from tests.engine.vision_models import png

CHAT = "v1/chat/completions"
PNG = png(4, 4)
INFO = asdict(ModelInfo("llama", "", 1, 1024, 1000, True))


def kinds(panel: ChatPanel) -> list[str]:
    return [turn["kind"] for turn in panel.view.turns]


def texts(panel: ChatPanel) -> list[str]:
    """Questions and errors as they are shown, and the HTML of answers."""
    return [turn.get("text") or html(panel, turn) for turn in panel.view.turns]


def html(panel: ChatPanel, turn: dict[str, Any], part: str = "text") -> str:
    blocks = panel.view.blocks(turn["id"], part)
    assert len(blocks) == turn["parts"][part]
    return "".join(blocks)


def live(panel: ChatPanel) -> str:
    """HTML of the answer that is being written."""
    told = panel.view.live
    return "".join(panel.view.blocks(told["turn"], "text")) + str(told["parts"]["text"][1]) if told else ""


def act(panel: ChatPanel, action: str, text: str = "", buffers: tuple[bytes, ...] = (), **fields: str) -> None:
    """What the page sends."""
    panel.view._handle_custom_msg({"action": action, "text": text, **fields}, [memoryview(each) for each in buffers])


def see(panel: ChatPanel, seen: bool = True) -> None:
    panel.view._handle_custom_msg({"view": "one", "seen": seen}, [])


def set_fields(panel: ChatPanel, **fields: str) -> None:
    panel.view.settings = {**panel.view.settings, **fields}


def list_models(panel: ChatPanel) -> None:
    panel.view.models = []
    act(panel, "models")
    wait_until(lambda: panel.view.models)


def asked(stub: StubServer, number: int = -1) -> list[Any]:
    return [message["content"] for message in stub.asked(CHAT)[number]["messages"]]


@pytest.fixture
def chat(stub: StubServer, stub_client: UniversalClient) -> ChatPanel:
    stub.answer("models", Reply({"models": [model_row()]}))
    panel = ChatPanel("demo", system="Be brief.", client=stub_client)
    panel.wait()  # nothing is being asked any more when a test ends that asks nothing
    return panel


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The variables of the notebook."""
    names: dict[str, Any] = {}
    monkeypatch.setattr(desk, "notebook_names", lambda: names)
    return names


def answering(*pieces: bytes | Callable[[], Any]) -> Events:
    return Events([*pieces, finish(), usage(), DONE])


def test_a_conversation(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, answering(delta("**Hi**")), answering(delta("Bye")))
    act(chat, "send", " Hello \n")
    chat.wait()
    act(chat, "send", "Good bye")
    chat.wait()
    assert kinds(chat) == ["question", "answer"] * 2
    assert texts(chat)[:2] == ["Hello", "<p><strong>Hi</strong></p>\n"]
    assert "11 tokens" in chat.view.turns[1]["note"]
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
    wait_until(lambda: "half" in live(chat))
    chat.send("a question in between is not taken")
    chat.regenerate()
    chat.edit("1", "nor is this")
    gate.set()
    chat.wait()
    assert texts(chat) == ["hi", "<p>half whole</p>\n"]


def test_a_block_is_sent_once(chat: ChatPanel, stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(chat.view, "_send", lambda message, buffers=None: sent.append(message["state"]))
    gates = [threading.Event() for _ in range(3)]
    pieces = [piece for number, gate in enumerate(gates) for piece in (delta(f"block {number}\n\n."), stub.until(gate))]
    stub.answer(CHAT, answering(*pieces))
    chat.send("hi")
    for number, gate in enumerate(gates):
        wait_until(lambda number=number: f"block {number}" in live(chat))  # type: ignore[misc]
        gate.set()
    chat.wait()
    blocks = [name for state in sent for name in state if name.startswith("block:") and ":text:" in name]
    assert len(blocks) == len(set(blocks)) == 4
    # A page that is loaded anew is told everything.
    assert set(blocks) <= chat.view.get_state().keys()


def test_reasoning_is_shown_and_not_sent_back(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, Events([delta("", reasoning_content="Hm."), delta("Hello"), finish(), DONE]))
    chat.send("one")
    chat.wait()
    answer = chat.view.turns[-1]
    assert (html(chat, answer, "reasoning"), html(chat, answer)) == ("<p>Hm.</p>\n", "<p>Hello</p>\n")
    chat.send("two")
    chat.wait()
    assert "Hm." not in str(stub.asked(CHAT)[-1])


def test_stop_keeps_what_came(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, answering(delta("half"), stub.until(threading.Event())))
    chat.send("hi")
    wait_until(lambda: "half" in live(chat))
    act(chat, "stop")
    chat.wait()
    assert stub.hung_up.wait(2)
    assert texts(chat)[-1] == "<p>half</p>\n"
    assert chat.view.turns[-1]["note"] == "demo · stopped"
    assert not chat.view.busy


def test_stop_before_it_is_asked_loses_no_question(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, *[answering(delta("fine"))] * 12)
    for _ in range(5):  # whichever is faster
        chat.send("hi")
        chat.stop()
        chat.wait()
        assert not chat.view.busy
    assert kinds(chat) == ["question", "answer"] * 5
    for do in (chat.regenerate, lambda: chat.edit(chat.view.turns[-2]["id"], "hi")):
        do()
        chat.stop()
        chat.wait()
        assert kinds(chat) == ["question", "answer"] * 5
        assert not chat.view.busy
    chat.regenerate()
    chat.wait()
    assert texts(chat)[-2:] == ["hi", "<p>fine</p>\n"]


def test_an_answer_that_cannot_be_shown_leaves_no_panel_that_waits(
    chat: ChatPanel, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RecursionError

    stub.answer(CHAT, answering(delta("deep")))
    monkeypatch.setattr(LiveAnswer, "finish", fail)
    chat.send("hi")
    chat.wait()
    assert kinds(chat) == ["question", "error"]
    assert (chat.view.live, chat.view.busy) == ({}, False)


def test_half_a_character_is_shown_as_what_it_is(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, answering(delta("a\ud83d")))
    chat.send("hi")
    chat.wait()
    assert texts(chat)[-1] == "<p>a\ufffd</p>\n"
    assert chat.cells()[-1]["source"] == "a\ufffd"


def test_half_a_character_in_a_question_is_no_obstacle(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, answering(delta("fine")))
    act(chat, "send", "a\ud83d \ud83d\ude00")
    chat.wait()
    assert texts(chat) == ["a\ufffd \U0001f600", "<p>fine</p>\n"]
    act(chat, "edit", "\udc00", turn=chat.view.turns[0]["id"])
    chat.wait()
    assert asked(stub) == ["Be brief.", "\ufffd"]


def test_an_error_loses_no_question(chat: ChatPanel, stub: StubServer) -> None:
    died = event({"error": {"message": "The process ended.", "code": "worker_died"}}, "error")
    stub.answer(CHAT, Events([delta("half"), died]), answering(delta("fine")))
    chat.send("hi")
    chat.wait()
    assert texts(chat) == ["hi", "<p>half</p>\n", "The process ended."]
    assert chat.view.turns[1]["note"] == "not complete"
    act(chat, "retry")
    chat.wait()
    assert texts(chat) == ["hi", "<p>fine</p>\n"]
    assert asked(stub, 0) == asked(stub, 1) == ["Be brief.", "hi"]


def test_regenerate_asks_the_last_question_again(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, answering(delta("one")), answering(delta("two")), answering(delta("three")))
    for question in ("a", "b"):
        chat.send(question)
        chat.wait()
    act(chat, "regenerate")
    chat.wait()
    assert texts(chat) == ["a", "<p>one</p>\n", "b", "<p>three</p>\n"]
    assert asked(stub, 2) == asked(stub, 1) == ["Be brief.", "a", "one", "b"]


def test_an_edited_question_takes_the_place_of_all_that_came_later(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, *(answering(delta(answer)) for answer in ("one", "two", "three")))
    for question in ("a", "b"):
        chat.send(question)
        chat.wait()
    act(chat, "edit", " c ", turn=chat.view.turns[0]["id"])
    chat.wait()
    assert texts(chat) == ["c", "<p>three</p>\n"]
    assert asked(stub) == ["Be brief.", "c"]
    act(chat, "edit", "d", turn="no such turn")
    act(chat, "edit", "  ", turn=chat.view.turns[0]["id"])
    assert len(stub.asked(CHAT)) == 3


def test_nothing_goes_for_a_question_that_nobody_can_be_asked(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, *(answering(delta(answer)) for answer in ("one", "two", "three")))
    for question in ("a", "b"):
        chat.send(question)
        chat.wait()
    before = texts(chat)
    stub.answer("models", Reply({"error": {"message": "Away."}}, 500))
    for action in ("edit", "regenerate"):
        act(chat, action, "c", turn=chat.view.turns[0]["id"])
        chat.wait()
        assert texts(chat) == before
        assert chat.view.notice == "Away."
        assert not chat.view.busy
    stub.answer("models", Reply({"models": [model_row()]}))
    act(chat, "edit", "c", turn=chat.view.turns[0]["id"])
    chat.wait()
    assert texts(chat) == ["c", "<p>three</p>\n"]
    chat.clear()
    chat.regenerate()  # at once, when what it asks again is on its way out
    chat.wait()
    assert (chat.view.turns, chat.view.busy) == ([], False)


def test_clear_forgets_and_stops(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, answering(delta("half"), stub.until(threading.Event())), answering(delta("fine")))
    chat.send("hi")
    wait_until(lambda: "half" in live(chat))
    act(chat, "clear")
    chat.wait()
    assert chat.view.turns == []
    assert not chat.view.busy
    assert not [name for name in chat.view.get_state() if name.startswith("block:")]
    chat.send("again")
    chat.wait()
    assert asked(stub) == ["Be brief.", "again"]


def test_stop_does_not_stop_clear(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, answering(delta("half"), stub.until(threading.Event())))
    chat.send("hi")
    wait_until(lambda: "half" in live(chat))
    for action in ("clear", "stop", "clear", "stop"):
        act(chat, action)
    chat.wait()
    assert (chat.view.turns, chat.view.live, chat.view.busy) == ([], {}, False)


def test_clear_leaves_nothing_for_the_log(chat: ChatPanel, stub: StubServer, caplog: pytest.LogCaptureFixture) -> None:
    stub.answer(CHAT, answering(delta("half"), stub.until(threading.Event())))
    chat.send("hi")
    wait_until(lambda: "half" in live(chat))
    chat.clear()
    chat.wait()
    gc.collect()
    assert "never retrieved" not in caplog.text


def test_only_blocks_that_a_late_link_changes_are_sent_again(
    chat: ChatPanel, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(chat.view, "_send", lambda message, buffers=None: sent.append(message["state"]))
    gate = threading.Event()
    blocks = "".join(f"block {number}\n\n" for number in range(9))
    stub.answer(CHAT, answering(delta(f"[it]\n\n{blocks}."), stub.until(gate), delta("\n\n[it]: https://ok.example")))
    chat.send("hi")
    wait_until(lambda: "block 8" in live(chat))
    gate.set()
    chat.wait()
    assert 'href="https://ok.example"' in texts(chat)[-1]
    names = [name for state in sent for name in state if ":text:" in name]
    assert len(names) == len(set(names)) + 1 == 12


def test_strange_messages_do_nothing(chat: ChatPanel, stub: StubServer) -> None:
    chat.view._handle_custom_msg("text", [])
    for action in ("explode", "retry", "stop", "regenerate", "edit", "detach"):
        act(chat, action)
    act(chat, "send", "   ")
    act(chat, "attach", name="nothing")
    assert chat.view.notice == "There is no variable 'nothing' in this notebook."
    act(chat, "image")
    assert chat.view.notice
    assert chat.view.turns == []
    assert stub.asked(CHAT) == []


def test_hostile_answers_are_harmless(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, answering(delta("<img src=x onerror=alert(1)>")))
    chat.send("<script>hi</script>")
    chat.wait()
    assert chat.view.turns[0]["text"] == "<script>hi</script>"  # shown as text
    assert "<img" not in texts(chat)[1]


# --- settings ----------------------------------------------------------------------------------


def test_settings_go_with_the_next_question(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, answering(delta("x")))
    set_fields(chat, model="other", system=" Rhyme. ", temperature="0,5", top_p=".9", max_tokens="7", seed="3")
    assert (chat.view.faults, chat.view.heading) == ({}, "other")
    chat.send("hi")
    chat.wait()
    (body,) = stub.asked(CHAT)
    told = {name: body[name] for name in ("model", "temperature", "top_p", "max_tokens", "seed")}
    assert told == {"model": "other", "temperature": 0.5, "top_p": 0.9, "max_tokens": 7, "seed": 3}
    assert asked(stub) == ["Rhyme.", "hi"]
    assert (chat.model, chat.system) == ("other", " Rhyme. ")
    chat.model, chat.system = "third", None
    chat.send("on")
    chat.wait()
    assert stub.asked(CHAT)[-1]["model"] == "third"
    assert "Rhyme." not in asked(stub)


def test_a_wrong_setting_is_told_and_nothing_is_lost(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, answering(delta("x")))
    chat.send("hi")
    chat.wait()
    before = list(chat.view.turns)
    set_fields(chat, temperature="<b>warm</b>", seed="9" * 5000)
    assert chat.view.faults["temperature"] == "Temperature: '<b>warm</b>' is not a number."
    assert "Seed" in chat.view.faults["seed"]
    for action in ("send", "regenerate", "edit"):
        chat.view.notice = ""
        act(chat, action, "again", turn=before[0]["id"])
        assert "Temperature" in chat.view.notice
    assert chat.view.turns == before
    assert not chat.view.busy
    set_fields(chat, temperature="0", seed="")
    assert (chat.view.faults, chat.view.notice) == ({}, "")


# --- what goes with a question ------------------------------------------------------------------


def test_a_variable_goes_with_the_question_as_it_is_then(
    chat: ChatPanel, stub: StubServer, names: dict[str, Any]
) -> None:
    stub.answer(CHAT, answering(delta("x")))
    names |= {"rows": [1], "_hidden": 1, "json": json, "f": lambda: 1}
    act(chat, "variables")
    assert chat.view.variables == [{"name": "rows", "note": "list, 1 item"}]
    act(chat, "attach", name="rows")
    assert chat.view.attached == [{"name": "rows", "note": "list, 1 item"}]
    names["rows"] = ["```", 2]
    chat.send("How many?")
    assert chat.view.attached == []
    chat.wait()
    assert asked(stub)[-1] == 'How many?\n\n`rows` (list, 2 items):\n````\n["```", 2]\n````'
    assert chat.view.turns[0]["attached"] == [{"name": "rows", "note": "list, 2 items"}]
    chat.regenerate()
    chat.wait()
    assert asked(stub, 0) == asked(stub, 1)


def test_a_variable_that_is_out_of_order_hides_no_other(chat: ChatPanel, names: dict[str, Any]) -> None:
    class Odd(dict[str, int]):
        def __len__(self) -> int:
            raise OSError("gone")

    class Proxy:
        @property
        def __class__(self) -> Any:  # type: ignore[misc]
            raise RuntimeError("unbound")

    names |= {"rows": [1], "odd": Odd(), "proxy": Proxy()}
    act(chat, "variables")
    assert [each["note"] for each in chat.view.variables] == ["Proxy", "Odd", "list, 1 item"]


def test_what_cannot_go_with_a_question_is_told(chat: ChatPanel, stub: StubServer, names: dict[str, Any]) -> None:
    names |= {f"v{number}": number for number in range(9)}
    names |= {"long": "x" * 300_000, "gone": 1}
    for name in ("gone", *list(names)[:7]):
        act(chat, "attach", name=name)
    assert chat.view.notice == ""
    act(chat, "attach", name="v8")
    assert chat.view.notice == "8 things can go with one question."
    del names["gone"]
    act(chat, "send", "hi")
    assert "no variable 'gone'" in chat.view.notice
    assert len(chat.view.attached) == 8
    act(chat, "detach", name="gone")
    act(chat, "attach", name="long")
    act(chat, "send", "hi")
    assert chat.view.notice == "long has 300,000 characters; 200,000 can be attached."
    assert stub.asked(CHAT) == []


def test_an_image_goes_with_the_question(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer(CHAT, answering(delta("A cat.")))
    stub.answer("models", Reply({"models": [model_row(info={**INFO, "can_see": True})]}))
    list_models(chat)
    act(chat, "image", name="<b>cat</b>.png", buffers=(PNG,))
    assert [each["name"] for each in chat.view.attached] == ["<b>cat</b>.png"]
    chat.send("What is this?")
    chat.wait()
    image, text = asked(stub)[-1]
    assert base64.b64decode(image["image_url"]["url"].partition(",")[2]) == PNG
    assert text["text"] == "What is this?"
    assert IMAGE_MARK not in str(chat.view.get_state())


def test_an_image_is_refused_where_nobody_sees_it(chat: ChatPanel, stub: StubServer) -> None:
    stub.answer("models", Reply({"models": [model_row(info=INFO)]}))
    list_models(chat)
    act(chat, "image", name="cat.png", buffers=(PNG,))
    assert chat.view.notice == "demo does not see images. Choose a model that does in the settings."
    assert chat.view.blind == chat.view.notice  # the page says so before
    act(chat, "image", name="cat.png", buffers=(b"<svg onload=alert(1)>",))
    assert "image" in chat.view.notice
    assert chat.view.attached == []
    set_fields(chat, model="one that is not known yet")
    assert chat.view.blind == ""


# --- export ------------------------------------------------------------------------------------


def test_a_conversation_becomes_cells(
    chat: ChatPanel, stub: StubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.answer(CHAT, answering(delta("So:\n\n```python\nx = 1\n```\n\n![p](https://evil.invalid/p) <b>bold</b>")))
    chat.send("How?\n# really")
    chat.wait()
    cells = chat.cells()
    assert [cell["kind"] for cell in cells] == ["markdown", "markdown", "code", "markdown"]
    assert cells[0]["source"] == "> How?  \n> &#35; really"
    assert cells[2]["source"] == "x = 1"
    assert "![" not in cells[3]["source"]
    assert "<b>" not in cells[3]["source"]
    monkeypatch.chdir(tmp_path)
    chat.save()
    act(chat, "save")
    assert chat.view.notice.startswith("Saved as chat-")
    paths = list(tmp_path.glob("chat-*.ipynb"))
    assert len(paths) == 2
    for path in paths:
        book = nbformat.read(path, as_version=4)
        nbformat.validate(book)
        assert [cell.source for cell in book.cells] == [cell["source"] for cell in cells]
        assert book.cells[2].execution_count is None
    with pytest.raises(InvalidRequest, match="cannot be written"):
        save(cells, tmp_path / "nowhere")


def test_the_page_that_asks_for_cells_gets_them(
    chat: ChatPanel, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.answer(CHAT, answering(delta("Hello")))
    chat.send("hi")
    chat.wait()
    sent: list[Any] = []
    monkeypatch.setattr(chat.view, "send", lambda content, buffers=None: sent.append(content))
    act(chat, "cells", view="this one")
    assert sent == [{"kind": "cells", "view": "this one", "cells": chat.cells()}]


# --- a real server -----------------------------------------------------------------------------


def test_a_panel_on_a_real_server(client: UniversalClient, server: Server) -> None:
    panel = ChatPanel("endless", client=client)
    panel.send("How do I load a model?")
    wait_until(lambda: live(panel))
    panel.stop()
    panel.wait()
    wait_until(lambda: server.model("endless")["active"] == 0, 5)
    assert "stopped" in panel.view.turns[-1]["note"]


def test_what_others_load_is_known_while_somebody_looks(client: UniversalClient, server: Server) -> None:
    client.unload("demo")
    panel = ChatPanel("demo", client=client)
    panel.wait()
    see(panel)
    wait_until(lambda: panel.view.models)
    assert "loaded" not in dict(panel.view.models)["demo"]
    server.post("load_model", {"model": "demo"}).raise_for_status()
    wait_until(lambda: "loaded" in dict(panel.view.models)["demo"], 5)
    server.post("unload_model", {"model": "demo"}).raise_for_status()
    wait_until(lambda: "loaded" not in dict(panel.view.models)["demo"], 5)
    watch = live_models(client)
    see(panel, False)
    wait_until(lambda: watch._job is None)
    see(panel)
    wait_until(lambda: watch._job is not None)
    panel.close()
    wait_until(lambda: watch._job is None)


def test_a_closed_panel_keeps_no_answer_from_going_on(chat: ChatPanel, stub: StubServer) -> None:
    gate = threading.Event()
    stub.answer(CHAT, answering(delta("half"), stub.until(gate), delta(" whole")))
    chat.send("hi")
    wait_until(lambda: "half" in live(chat))
    chat.close()
    gate.set()
    chat.wait()
    assert texts(chat)[-1] == "<p>half whole</p>\n"


def test_an_answer_that_was_replaced_does_not_come_back(
    client: UniversalClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_uml.kernel.chat_panel.running_cell", lambda: "cell-of-this-test")
    panel = ChatPanel("demo", client=client)
    panel.send("How do I load a model?")
    panel.wait()
    panel.edit(panel.view.turns[0]["id"], "How do I unload a model?")
    panel.wait()
    again = ChatPanel("demo", client=client)
    again.wait()
    assert texts(again) == texts(panel)
    assert texts(again)[0] == "How do I unload a model?"
    panel.clear()
    panel.wait()
    rows = server.get("generations").json()["generations"]
    assert [row for row in rows if row["cell"] == "cell-of-this-test"] == []


def test_a_question_waits_until_the_conversation_is_there_again(
    client: UniversalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_uml.kernel.chat_panel.running_cell", lambda: "cell-of-two-questions")
    panel = ChatPanel("demo", client=client)
    for question in ("How do I load a model?", "And unload it?"):
        panel.send(question)
        panel.wait()
    again, busy = ChatPanel("demo", client=client), []
    assert again.view.origin["cell"].endswith("/cell-of-two-questions")
    again.view.observe(lambda change: busy.append(change["new"]), "busy")
    again.send("Hello")
    again.wait()
    assert busy == [True, False]  # else the page would take the question for one that was not taken
    assert texts(again)[::2] == ["How do I load a model?", "And unload it?", "Hello"]
    again.clear()
    again.wait()


def test_what_was_stopped_is_no_error_when_it_is_read_again(
    client: UniversalClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_uml.kernel.chat_panel.running_cell", lambda: "cell-of-a-stopped-answer")
    panel = ChatPanel("endless", client=client)
    panel.send("Hello")
    wait_until(lambda: live(panel))
    panel.stop()
    panel.wait()
    again = ChatPanel("endless", client=client)
    again.wait()
    assert [turn["kind"] for turn in again.view.turns] == ["question", "answer"]
    assert again.view.turns[-1]["note"].endswith("· stopped")
    again.clear()
    again.wait()
    client.unload("endless", force=True)


def test_a_conversation_beyond_the_context_says_what_to_do(client: UniversalClient) -> None:
    panel = ChatPanel("demo", client=client)
    panel.send("How do I load a model?")
    panel.wait()
    panel.send("And how do I unload it? " * 400)
    panel.wait()
    assert re.search(r"has \d+ tokens and .* holds \d+, .*clear the conversation\.$", texts(panel)[-1])
    assert kinds(panel) == ["question", "answer", "question", "error"]


def test_a_long_question_is_not_asked_again_by_its_beginning(
    client: UniversalClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_uml.kernel.chat_panel.running_cell", lambda: "cell-of-a-long-question")
    panel = ChatPanel("demo", client=client)
    panel.send("How do I load a model? " * 30)
    panel.wait()
    again = ChatPanel("demo", client=client)
    again.wait()
    assert "longer than what is kept" in texts(again)[0]
    with pytest.raises(InvalidRequest, match="Only the beginning"):
        again.regenerate()
    assert kinds(again) == ["question", "answer"]
    again.edit(again.view.turns[0]["id"], "Hello")
    again.wait()
    assert texts(again)[0] == "Hello"
    again.clear()
    again.wait()
