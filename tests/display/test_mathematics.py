"""Formulas come out of Markdown as they were written."""

from __future__ import annotations

import html
import time

import pytest

from jupyter_uml.display.markdown import to_html
from jupyter_uml.display.markdown_source import parts_of


@pytest.mark.parametrize(
    "formula",
    [r"$\frac{a_1*b*c}{2}$", r"$$\sum_{i=0}^n x_i \\ y$$", r"\(x_1*2*3\)", r"\[ [a](b) \]", r"$a < b$", r"$\$_a * b*$"],
)
def test_a_formula_in_a_line_is_kept(formula: str) -> None:
    assert to_html(f"So {formula} *is* it") == f"<p>So {html.escape(formula)} <em>is</em> it</p>\n"


@pytest.mark.parametrize("ends", [("$$", "$$"), (r"\[", r"\]")])
@pytest.mark.parametrize("indent", ["", "> "])
def test_a_formula_with_lines_of_its_own_is_kept(ends: tuple[str, str], indent: str) -> None:
    first, last = ends
    written = f"Thus:\n{first}\na_1*b*c\n- d\n\n= e\n===\n{last}\n*so*".replace("\n", f"\n{indent}")
    shown = to_html(indent + written)
    assert f"<p>{first}\na_1*b*c\n- d\n= e\n===\n{last}</p>\n<p><em>so</em></p>" in shown
    ((kind, source),) = parts_of(indent + written)
    assert kind == "markdown"
    assert to_html(source) == shown  # a cell that it is put into says the same


def test_what_is_no_formula_is_markdown() -> None:
    text = "$5 and *then* $10, **$5** to **10$**, `$HOME` *a* $x, \\(, 2$ or $ 3 *b* $"
    shown = to_html(text)
    for part in ("<em>then</em>", "<strong>$5</strong>", "<code>$HOME</code>", "<em>a</em>", "<em>b</em>"):
        assert part in shown
    assert to_html("    $$\n    code") == "<pre><code>$$\ncode\n</code></pre>\n"
    assert to_html("$$ and\n\n*more*").endswith("<em>more</em></p>\n")


def test_one_that_is_not_ended_goes_on_to_the_end() -> None:
    assert to_html("$$\n*a*\n\n*b*") == "<p>$$\n<em>a</em>\n<em>b</em></p>\n"


@pytest.mark.parametrize("piece", ["$", "$a ", "$$", "$$ a", "\\(", "\\[", "$\\$", "$$\n", "> $$\n", "- $$\n"])
def test_ends_that_are_never_found_take_no_time(piece: str) -> None:
    start = time.process_time()
    to_html(piece * 20_000)
    assert time.process_time() - start < 3
