"""Formulas in Markdown, kept as they were written: a page that knows how to set them finds them, others show their
source. Without this `a_1*b*c` would be emphasised in the midst of one, and a backslash before a bracket be gone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline

_ENDS = {"$$": "$$", "\\[": "\\]"}  # of a formula with lines of its own
# No sum of money: what begins and ends one touches it. Each is looked for up to the next one's beginning only.
_INLINE = re.compile(
    r"""\$\$ [^$`]+ \$\$
    | \$ (?![\s$]) (?: \\. | [^\\$`*] | \*(?!\*) )+ (?<!\s) \$ (?!\d)
    | \\\( (?: (?!\\[()]) [^`] )+ \\\)
    | \\\[ (?: (?!\\[\[\]]) [^`] )+ \\\]""",
    re.VERBOSE | re.DOTALL,
)


def keep_formulas(parser: MarkdownIt) -> None:
    parser.inline.ruler.before("escape", "formula", _inline)
    parser.block.ruler.before("fence", "formula", _block, {"alt": ["paragraph", "blockquote", "list"]})


def _inline(state: StateInline, silent: bool) -> bool:
    found = _INLINE.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        state.push("text", "", 0).content = found[0]
    state.pos = found.end()
    return True


def _block(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    """Like a block of code, one that is not ended goes on to the end."""
    closing = _ENDS.get(_line(state, first))
    if closing is None or state.is_code_block(first):
        return False
    if silent:
        return True
    last = first + 1
    while last < end and _line(state, last) != closing:
        last += 1
    state.line = min(last + 1, end)
    lines = [line for number in range(first, state.line) if (line := _line(state, number))]
    state.push("paragraph_open", "p", 1).map = [first, state.line]
    inline = state.push("inline", "", 0)
    inline.content, inline.map, inline.children = "\n".join(lines), [first, state.line], []
    state.push("paragraph_close", "p", -1)
    return True


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]].strip()
