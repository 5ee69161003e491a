"""Markdown that is written anew for cells: it says the same, and whoever renders it finds nothing harmful."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from jupyter_uml.display.markdown_source import parts_of, text_source
from tests.display.test_render import HOSTILE, Page

# As careless as a program that renders cells may be: HTML passes, and so do images and bare links.
CARELESS = MarkdownIt("gfm-like", {"html": True, "linkify": False})
HARMLESS = set(
    "p br hr h1 h2 h3 h4 h5 h6 ul ol li blockquote pre code em strong s a table thead tbody tr th td".split()
)
# What JupyterLab takes for a formula, as it looks before any Markdown is read.
FORMULA = re.compile(r"\$|\\\\?[(\[]|\\begin|\\end|@@\d+@@")


def source_of(markdown: str) -> str:
    return "\n\n".join(source for kind, source in parts_of(markdown) if kind == "markdown")


def check(source: str) -> None:
    page = Page(CARELESS.render(source))
    assert page.tags <= HARMLESS
    for name, value in page.attributes:
        assert name in ("href", "start", "class", "style"), name
        if name == "href":
            assert re.match(r"https?://|mailto:", value, re.IGNORECASE)
        if name == "class":
            assert value != "language-mermaid"
    assert not FORMULA.search(re.sub(r"(?ms)^[ >]*(`{3,}).*?^[ >]*\1$", "", source)), source


@pytest.mark.parametrize("markdown", HOSTILE)
def test_hostile_markdown_is_harmless(markdown: str) -> None:
    for written in (markdown, f"> - {markdown}\n\n{markdown}", f"!{markdown}", f"# {markdown}", f"`{markdown}`"):
        check(source_of(written))
    check(text_source(markdown))


@given(
    st.lists(
        st.sampled_from(
            [*HOSTILE, "[", "](", ")", "`", "``", "<", ">", "\n", "    ", "a", '"', "|", "*", "_", "!", "\\"]
        ),
        max_size=12,
    )
)
def test_pieces_of_it_in_any_order_are_harmless(pieces: list[str]) -> None:
    check(source_of("".join(pieces)))
    check(text_source("".join(pieces)))


@given(st.text(alphabet="ab `*_[]()<>!|~$\\&#+-.=:1\n", max_size=60))
def test_text_is_shown_as_it_was_written(text: str) -> None:
    source = text_source(text)
    check(source)
    assert re.sub(r"\s", "", Page(CARELESS.render(source)).text) == re.sub(r"\s", "", text)


@pytest.mark.parametrize(
    "markdown",
    [
        "**b** *i* ~~s~~ `c` and plain",
        "# Title\n\ntext",
        "1. a\n2. b\n   - c\n   - d\n\n3. e",
        "- a\n\n  b\n\n- c",
        "> q\n> r\n>\n> s",
        "|a|b|\n|-|-|\n|1|`2`|",
        "a  \nb\nc",
        "[label *x*](https://ok.example/a?b=c)",
        "    code\n      more",
        "```sql\nselect `a` from b\n```",
        "````\n```\ninner\n```\n````",
        "- item\n\n  ```bash\n  ls\n\n  cd\n  ```",
        "3. x",
        "***",
        "a_b_c 2 * 3 < 4 & [x] #5 1. no",
    ],
)
def test_it_says_the_same(markdown: str) -> None:
    def plain(source: str) -> str:
        return re.sub(r"\s+|<p>|</p>| style=\"[^\"]*\"", "", CARELESS.render(source))

    assert plain(source_of(markdown)) == plain(markdown)


def test_python_that_stands_by_itself_becomes_code() -> None:
    parts = parts_of(
        "a\n\n```python\nx = 1  # <b>\n\ny\n```\nb\n\n```py\nz\n```\n\n```\nw\n```\n\n- ```python\n  v\n  ```"
    )
    assert parts[:4] == [("markdown", "a"), ("python", "x = 1  # <b>\n\ny"), ("markdown", "b"), ("python", "z")]
    assert [kind for kind, _ in parts] == ["markdown", "python", "markdown", "python", "markdown"]


def test_code_is_untouched_and_diagrams_are_code() -> None:
    assert "```\ngraph TD; a-->b<img>\n```" in source_of("```mermaid\ngraph TD; a-->b<img>\n```")
    assert "```bash\necho $HOME ![x](y)\n```" in source_of("```bash\necho $HOME ![x](y)\n```")


def test_an_image_becomes_a_link() -> None:
    assert source_of("wow!![a cat](https://ok.example/cat.png)") == "wow\\![a cat](<https://ok.example/cat.png>)"
