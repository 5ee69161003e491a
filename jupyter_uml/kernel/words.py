"""The words of a magic's line, with what the notebook's names stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_uml.kernel.interpolation import fill_in
from jupyter_uml.kernel.options import split


def words_of(line: str, names: Mapping[str, Any], reads_only: bool = False) -> list[str]:
    """`{expression}` in a word is filled in as in a question; a word `$name` is the text of that name, as in IPython.

    Raises:
        InvalidRequest: a quotation mark is never closed, or an expression raises.
    """
    return [_filled(word, names, reads_only) for word in split(line)]


def _filled(word: str, names: Mapping[str, Any], reads_only: bool) -> str:
    if word.startswith("$") and word[1:] in names:
        return str(names[word[1:]])
    return fill_in(word, names, reads_only).text
