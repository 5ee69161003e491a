"""Objects and conversations, to be read."""

from __future__ import annotations

import re

from jupyter_uml.display.transcript import transcript_html, transcript_text
from jupyter_uml.display.tree import MAX_ITEMS, tree_html
from jupyter_uml.types import Message, ToolCall


def text_of(html: str) -> str:
    return re.sub(r"\s*<[^>]*>\s*", " ", html).strip()


def test_an_object_is_a_table_of_its_fields() -> None:
    html = tree_html({"name": "Ada", "born": 1815, "alive": False, "tags": [], "more": {"a": None}})
    assert text_of(html).split() == [
        "name",
        "Ada",
        "born",
        "1815",
        "alive",
        "false",
        "tags",
        "none",
        "more",
        "a",
        "null",
    ]
    assert html.count("<table") == 2


def test_a_list_of_alike_objects_is_one_table() -> None:
    html = tree_html([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])
    assert html.count("<table") == 1
    assert text_of(html).split() == ["a", "b", "1", "x", "2", "y"]
    assert tree_html([{"a": 1}, {"b": 1}]).count("<li>") == 2


def test_long_lists_say_how_many_more() -> None:
    assert "and 20 more items" in tree_html(list(range(MAX_ITEMS + 20)))
    assert "and 1 more item<" in tree_html({str(i): i for i in range(MAX_ITEMS + 1)})


def test_nothing_in_it_acts() -> None:
    hostile = "<img src=x onerror=alert(1)>"
    for value in (hostile, [hostile], {hostile: hostile}, [{hostile: hostile}] * 2):
        assert "<img" not in tree_html(value)


def test_a_conversation_has_all_that_was_said() -> None:
    call = ToolCall("1", "f", '{"a": 1}')
    messages = [
        Message("user", "<b>hi</b>"),
        Message("assistant", "**yes**", tool_calls=(call,)),
        Message("tool", "7", "f", tool_call_id="1"),
    ]
    html = transcript_html("Be brief.", messages)
    assert "<b>" not in html
    assert "<strong>yes</strong>" in html
    assert transcript_text("Be brief.", messages) == (
        'System: Be brief.\n\nYou: <b>hi</b>\n\nModel: **yes**\n\n→ `f` `{"a": 1}`\n\nResult of f: 7'
    )
