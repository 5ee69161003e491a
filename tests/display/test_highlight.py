"""Colours of code, which a hostile model writes."""

from __future__ import annotations

import html
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uml.display import highlight
from jupyter_uml.display.highlight import PALETTE, STYLES, highlighted, language_of
from jupyter_uml.display.markdown import to_html

LANGUAGES = sorted(set(highlight._LANGUAGES.values()))


def text_of(marked: str) -> str:
    return html.unescape(re.sub(r"<[^<>]*>", "", marked))


def test_keywords_strings_and_comments_are_coloured() -> None:
    marked = highlighted('def f():\n    return "x"  # why\n', "python")
    spans = re.findall(r'<span style="([^"]*)">([^<]*)</span>', marked)
    coloured = {text.strip(): style for style, text in spans}
    assert {"def", "return", "f", "&quot;x&quot;", "# why"} <= coloured.keys()
    assert coloured["def"] == coloured["return"] == "color:var(--uml-k)"
    assert len(set(coloured.values())) == 4
    for style in coloured.values():
        assert f"{style.removeprefix('color:var(').removesuffix(')')}:" in PALETTE


def test_the_sanitizer_lets_the_colours_pass_and_no_others() -> None:
    marked = to_html("```python\nimport os\n```")
    assert '<span style="color:var(--uml-k)">import' in marked
    assert "class" not in marked


@pytest.mark.parametrize("info", ["", "mermaid", "nothing", '"onclick=1', "../../etc", "python\x00"])
def test_an_unknown_language_has_none(info: str) -> None:
    assert highlighted("def f(): <b>", info) == "def f(): &lt;b&gt;"


def test_names_of_languages() -> None:
    assert [language_of(info) for info in ("py", "Python title=x", "ts", "c++")] == [
        "python",
        "python",
        "typescript",
        "cpp",
    ]


@given(st.text(), st.sampled_from(LANGUAGES))
def test_the_code_stays_what_it_is(code: str, language: str) -> None:
    marked = highlighted(code, language)
    assert text_of(marked) == code
    assert set(re.findall(r'style="([^"]*)"', marked)) <= STYLES
    assert set(re.findall(r"<(/?\w+)", marked)) <= {"span", "/span"}


def test_long_code_is_shown_without() -> None:
    code = "x = 1\n" * (highlight.MAX_CODE // 6 + 1)
    assert highlighted(code, "python") == code


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_code_takes_forever(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(highlight, "MAX_SECONDS", 0.01)
    for piece in ('"', "(", "{", "<", "/*", "\\", " ", "@", "$", "`", "=", "a="):
        start = time.monotonic()
        highlighted(piece * (highlight.MAX_CODE // len(piece)), language)
        assert time.monotonic() - start < 3, piece
