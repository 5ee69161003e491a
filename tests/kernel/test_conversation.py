"""Conversations over cells: which turn is whose."""

from __future__ import annotations

import pytest

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.conversation import Conversation, Conversations, Turn
from jupyter_uml.types import Message


def turn(cell: str | None, question: str, answer: str) -> Turn:
    return Turn(cell, (Message("user", question), Message("assistant", answer)))


def said(conversation: Conversation, cell: str | None) -> list[str]:
    return [message.content for message in conversation.before(cell)]


@pytest.fixture
def chats() -> Conversations:
    chats = Conversations()
    chat = chats.open("")
    for name in "abc":
        chats.take(chat, turn(name, f"{name}?", f"{name}!"))
    return chats


def test_a_cell_is_told_what_stood_before_it(chats: Conversations) -> None:
    chat = chats.open("")
    assert said(chat, "new") == ["a?", "a!", "b?", "b!", "c?", "c!"]
    assert said(chat, "b") == ["a?", "a!"]
    assert (chat.place("a"), chat.place("new")) == (0, 3)


def test_a_cell_that_is_run_again_takes_its_turn_again(chats: Conversations) -> None:
    chat = chats.open("")
    chats.take(chat, turn("b", "B?", "B!"))
    assert said(chat, None) == ["a?", "a!", "B?", "B!", "c?", "c!"]


def test_where_cells_have_no_ids_each_run_is_a_turn() -> None:
    chats = Conversations()
    chat = chats.open("")
    for _ in range(2):
        chats.take(chat, turn(None, "?", "!"))
    assert said(chat, None) == ["?", "!"] * 2


def test_a_cell_has_a_turn_in_one_conversation_only(chats: Conversations) -> None:
    other = chats.open("other")
    chats.take(other, turn("b", "b?", "b!"))
    assert said(chats.open(""), None) == ["a?", "a!", "c?", "c!"]
    assert said(other, None) == ["b?", "b!"]


def test_what_is_forgotten_is_gone(chats: Conversations) -> None:
    assert len(chats.forget("").turns) == 3
    with pytest.raises(InvalidRequest, match="There is no conversation yet"):
        chats.named("")
    assert chats.open("").turns == []


def test_a_name_that_is_not_there_is_told_with_those_that_are(chats: Conversations) -> None:
    chats.take(chats.open("plans"), turn("d", "?", "!"))
    with pytest.raises(InvalidRequest, match="There is no conversation 'plan'; there is plans"):
        chats.named("plan")
