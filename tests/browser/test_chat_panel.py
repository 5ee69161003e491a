"""The panel for a conversation."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.lab import Lab
from tests.browser.panels import Chat
from tests.conftest import wait_until

TOO_LONG = "How do I load a model? " * 400


def open_chat(lab: Lab, model: str = "demo") -> Chat:
    notebook = lab.notebook("chat.ipynb", f"from jupyter_uml import ChatPanel\n\nChatPanel({model!r})")
    notebook.run(0)
    return Chat(notebook.output(0).locator(".uml-chat"))


def test_a_conversation(lab: Lab) -> None:
    chat = open_chat(lab)
    expect(chat.clear).to_be_disabled()
    chat.ask("How do I load a model?")
    expect(chat.questions).to_have_text(["How do I load a model?"])
    expect(chat.answers.locator(".uml-note")).to_contain_text("complete")
    expect(chat.answers.locator(".uml-body p").first).not_to_be_empty()
    expect(chat.input).to_have_value("")
    chat.input.fill("And how do I unload it?")
    chat.send.click()
    expect(chat.answers.locator(".uml-note")).to_contain_text(["tokens/s", "tokens/s"])
    lab.picture("chat-panel", chat.root)
    chat.clear.click()
    expect(chat.questions).to_have_count(0)
    expect(chat.answers).to_have_count(0)
    expect(chat.clear).to_be_disabled()


def test_an_empty_question_is_not_sent(lab: Lab) -> None:
    chat = open_chat(lab)
    expect(chat.send).to_be_disabled()
    chat.ask("  \n ")
    chat.ask("Hello")
    expect(chat.questions).to_have_text(["Hello"])


def test_a_question_beyond_the_context_is_refused_with_both_figures_and_kept(lab: Lab) -> None:
    chat = open_chat(lab)
    chat.ask(TOO_LONG)
    expect(chat.error).to_contain_text("context")
    n_ctx = lab.server.model("demo")["settings"]["n_ctx"]
    expect(chat.error).to_contain_text(f"holds {n_ctx}")
    expect(chat.questions).to_have_text([TOO_LONG.strip()])
    chat.ask("How do I load a model?")
    expect(chat.answers.locator(".uml-note")).to_contain_text("complete")


def test_stop_ends_the_answer_in_the_engine_too(lab: Lab, endless: str) -> None:
    chat = open_chat(lab, endless)
    chat.ask("Go on and on")
    expect(chat.live).not_to_be_empty()
    chat.stop.click()
    wait_until(lambda: lab.server.model(endless)["active"] == 0, 1.0)
    expect(chat.answers.locator(".uml-note")).to_contain_text("stopped")
    expect(chat.answers.locator(".uml-body")).not_to_be_empty()
    expect(chat.stop).to_have_count(0)


def test_a_broken_model_gives_one_line_and_a_way_to_try_again(lab: Lab, broken: Path, demo_bytes: bytes) -> None:
    chat = open_chat(lab, "broken")
    chat.ask("Hello?")
    expect(chat.error).to_contain_text("broken cannot be loaded")
    assert "\n" not in chat.error.inner_text()
    assert str(broken.parent) not in chat.error.inner_text()
    broken.write_bytes(demo_bytes)
    chat.root.get_by_role("button", name="Try again").click()
    expect(chat.answers.locator(".uml-note")).to_contain_text("complete")
    expect(chat.error).to_have_count(0)
    expect(chat.questions).to_have_text(["Hello?"])
