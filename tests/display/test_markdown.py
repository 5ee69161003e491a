"""A Markdown that grows, block by block."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uml.display import markdown as module
from jupyter_uml.display.markdown import GrowingMarkdown, to_html
from tests.display.test_render import HOSTILE, check

WHOLE = """\
Intro with *emphasis*
over two lines\u2028and what is no line.

- a
- b

  still b

1. one
   ```python
   x = 1

   y = 2
   ```
2. two

Title
=====

> quoted
lazily

| a | b |
|---|--:|
| 1 | 2 |

~~~
fence

# no heading
~~~

    indented

***
The end."""

# Lines that change what stands above them, or what they belong to.
LINES = [
    *("a", "b", "", "- c", "  d", "    e", "  - f", "* g", "1. h", "3. i", "> j", ">", "# k", "===", "---", "***"),
    *("```", "   ```", "~~~", "| l | m |", "|---|---|", "|---|", "|1|2|", "[r]: https://x.example", "[r]", "[s]:"),
    *("https://y.example", '"title', 'more"', "\tn", "<div>", "`o", "p`", "**q", "r**", "-", "1) s", "[s]", "\\"),
    *("$$", "\\[", "\\]", "$t*u", "*v*$", "\\(w*", "*x\\)"),
]


def plain(html: str) -> str:
    return "".join(html.split())


def grown(text: str, step: int = 1) -> GrowingMarkdown:
    growing = GrowingMarkdown()
    for end in range(0, len(text) + step, step):
        growing.grow(text[:end])
    growing.finish()
    return growing


def test_it_becomes_what_it_is_as_a_whole() -> None:
    for step in (1, 7, 1000):
        assert plain("".join(grown(WHOLE, step).blocks)) == plain(to_html(WHOLE))


@given(st.lists(st.sampled_from(LINES), max_size=12), st.integers(1, 9))
def test_whatever_it_is_it_becomes_what_it_is_as_a_whole(lines: list[str], step: int) -> None:
    def joined(html: str) -> str:
        return re.sub(r"\n+", "\n", html).strip()

    text = "\n".join(lines)
    assert joined("".join(grown(text, step).blocks)) == joined(to_html(text))


@pytest.mark.parametrize("piece", ["[", "![", "*[", "[a", "\\[["])
def test_brackets_that_are_never_closed_take_no_time(piece: str) -> None:
    began = time.thread_time()
    assert piece[-1] * 9 in to_html(piece * 9 + piece[-1] * 100_000)
    assert time.thread_time() - began < 2.5  # of the square of them, it would be a minute


def test_a_finished_block_is_rendered_once_and_stays() -> None:
    growing, seen = GrowingMarkdown(), list[str]()
    for end in range(len(WHOLE) + 1):
        tail = growing.grow(WHOLE[:end])
        assert growing.blocks[: len(seen)] == seen
        seen = list(growing.blocks)
        assert plain("".join([*seen, tail])) == plain(to_html(WHOLE[:end]))
    assert len(seen) > 6


def test_the_last_block_alone_is_not_finished() -> None:
    growing = GrowingMarkdown()
    assert growing.grow("one") == "<p>one</p>\n"
    assert growing.grow("one\n\ntwo") == "<p>one</p>\n<p>two</p>\n"  # it may yet become something else
    assert growing.blocks == []
    assert growing.grow("one\n\ntwo\n") == "<p>two</p>\n"
    assert growing.blocks == ["<p>one</p>\n"]


def test_a_link_by_reference_reaches_what_stands_above_its_definition() -> None:
    growing = GrowingMarkdown()
    growing.grow("see [it]\n\nmore\n\n[it]: https://half")
    tail = growing.grow("see [it]\n\nmore\n\n[it]: https://half.example\n\n[it]\n")
    assert tail.count('href="https://half.example"') == 1
    assert growing.finish()
    assert ['href="https://half.example"' in block for block in growing.blocks] == [True, False, True]


@given(st.lists(st.sampled_from([*HOSTILE, "[", "](", ")", "`", "```python\n", "<", "\n\n", "- ", "> "]), max_size=8))
def test_every_block_of_it_is_harmless(pieces: list[str]) -> None:
    growing, text = GrowingMarkdown(), ""
    for piece in pieces:
        text += piece
        check(growing.grow(text))
    growing.finish()
    for block in growing.blocks:
        check(block)


def test_ten_thousand_tokens_are_not_read_again_and_again() -> None:
    """The work is that of the blocks under way, not of the square of the answer."""
    text = "A paragraph of some words, as they are written.\n\n" * 800
    growing, parsed = GrowingMarkdown(), 0
    original = module.parser().parse

    def counted(source: str, env: object) -> object:
        nonlocal parsed
        parsed += len(source)
        return original(source, env)

    module.parser().parse = counted  # type: ignore[method-assign, assignment]
    try:
        for end in range(0, len(text), 40):
            growing.grow(text[:end])
    finally:
        module.parser().parse = original  # type: ignore[method-assign]
    assert parsed < 6 * len(text)
