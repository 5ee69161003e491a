"""Code in colours: spans whose styles are a fixed few, so that a sanitizer can know each of them.

The code is a model's, and hostile: only lexers of well-known languages see it, only so much of it, and only so long.
"""

from __future__ import annotations

import functools
import html
import time
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pygments.lexer import Lexer  # type: ignore[import-untyped]

MAX_CODE = 16_000  # characters of one block that are coloured: a longer one is shown as it is
MAX_SECONDS = 0.1  # of computing, for one block; what is left then is shown as it is

_LANGUAGES = {
    **dict.fromkeys(("python", "py", "python3", "ipython", "ipython3", "pycon"), "python"),
    **dict.fromkeys(("javascript", "js", "jsx", "mjs"), "javascript"),
    **dict.fromkeys(("typescript", "ts", "tsx"), "typescript"),
    **dict.fromkeys(("bash", "sh", "shell", "zsh"), "bash"),
    **dict.fromkeys(("c", "h"), "c"),
    **dict.fromkeys(("cpp", "c++", "hpp"), "cpp"),
    **dict.fromkeys(("csharp", "c#", "cs"), "csharp"),
    **dict.fromkeys(("yaml", "yml"), "yaml"),
    **dict.fromkeys(("html", "xml", "svg"), "html"),
    **dict.fromkeys(("r", "R"), "r"),
    **dict.fromkeys(("rust", "rs"), "rust"),
    **dict.fromkeys(("go", "golang"), "go"),
    **{name: name for name in ("java", "json", "css", "sql", "julia", "toml", "diff", "ruby", "php", "kotlin")},
}


def _clear(name: str, otherwise: str) -> str:
    """Nearer to the text's own colour, where JupyterLab's is too faint to be read on one of its grounds."""
    of = f"var(--jp-mirror-editor-{name}-color,{otherwise})"
    return f"color-mix(in srgb,{of} 60%,var(--jp-content-font-color1,CanvasText))"


def _plain(name: str, otherwise: str) -> str:
    return f"var(--jp-mirror-editor-{name}-color,{otherwise})"


_GREEN, _BLUE = "#2e8b3d", "#3366ff"
# A letter for each colour: a span says no more, so that code takes little room in a notebook's file.
_PALETTE = {
    "a": _clear("attribute", _BLUE),
    "b": _plain("builtin", _GREEN),
    "c": _clear("comment", "#408080"),
    "d": _clear("def", _BLUE),
    "k": _plain("keyword", _GREEN),
    "m": _clear("meta", "#aa22ff"),
    "n": _clear("number", _GREEN),
    "o": _clear("atom", "#8855cc"),
    "s": _plain("string", "#ba4141"),
    "t": _clear("tag", _GREEN),
}
# For the style of whatever code stands in. Without it, it is shown in the text's own colour.
PALETTE = ";".join(f"--uml-{letter}:{colour}" for letter, colour in _PALETTE.items())
STYLES = frozenset(f"color:var(--uml-{letter})" for letter in _PALETTE)

# By the beginnings of the names of pygments' tokens; the longest that fits counts.
_LETTERS = {
    "Comment": "c",
    "Keyword": "k",
    "Keyword.Constant": "o",
    "Operator.Word": "k",
    "Literal.String": "s",
    "Literal.Number": "n",
    "Name.Builtin": "b",
    "Name.Function": "d",
    "Name.Class": "d",
    "Name.Decorator": "m",
    "Name.Tag": "t",
    "Name.Attribute": "a",
}


def language_of(info: str) -> str:
    """What stands behind a fence, as the name of a language that is known here; else empty."""
    words = info.split(maxsplit=1)
    return _LANGUAGES.get(words[0].lower(), "") if words else ""


def highlighted(code: str, info: str) -> str:
    """Safe HTML of a block of code. `info`: what stands behind its fence."""
    language = language_of(info)
    if not language or len(code) > MAX_CODE:
        return html.escape(code)
    return "".join(
        f'<span style="{style}">{html.escape(text)}</span>' if style and text.strip() else html.escape(text)
        for style, text in _joined(_tokens(code, language))
    )


def _joined(tokens: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """One for neighbours of the same style."""
    for style, run in groupby(tokens, key=lambda token: token[0]):
        yield style, "".join(text for _, text in run)


def _tokens(code: str, language: str) -> Iterator[tuple[str, str]]:
    """The style of each piece, empty for none. The pieces are the whole code."""
    lexer, place = _lexer(language), 0
    end = time.thread_time() + MAX_SECONDS
    for start, kind, text in lexer.get_tokens_unprocessed(code):
        yield _style(kind), text
        place = start + len(text)
        if time.thread_time() > end:
            break
    yield "", code[place:]


@functools.cache
def _lexer(language: str) -> Lexer:
    from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]

    return get_lexer_by_name(language)


@functools.cache
def _style(kind: Any) -> str:
    """`kind`: a token type, such as `Token.Literal.String.Doc`."""
    words = str(kind).removeprefix("Token.").split(".")
    names = (".".join(words[:count]) for count in range(len(words), 0, -1))
    letter = next((_LETTERS[name] for name in names if name in _LETTERS), "")
    return letter and f"color:var(--uml-{letter})"
