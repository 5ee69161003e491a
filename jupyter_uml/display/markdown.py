"""Markdown of a model, as HTML that cannot harm the page it is shown on, whole or block by block.

A model's output is hostile: it may repeat what a web page or a file told it. Two walls, either of which would do:
the Markdown parser passes no HTML through, and the sanitizer lets only the tags below pass. No image is shown,
since loading one tells its server what the answer was about.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from jupyter_uml.display.highlight import STYLES, highlighted
from jupyter_uml.display.mathematics import keep_formulas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token

TAGS = frozenset(
    "p br hr h1 h2 h3 h4 h5 h6 ul ol li blockquote pre code em strong s a table thead tbody tr th td span".split()
)
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "th": {"style"}, "td": {"style"}, "span": {"style"}}
_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_MAX_BRACKETS = 1000  # in one paragraph; each that is never closed is looked for to its end
_ALIGNMENT = re.compile(r"text-align:(?:left|right|center)")

# What acts on a terminal, or turns round the text behind it, instead of being seen: it is made visible or left out.
_VISIBLE: dict[int, int | None] = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys([*range(0x80, 0xA0), *range(0xD800, 0xE000)], 0xFFFD),  # a lone surrogate is in no UTF-8
    **dict.fromkeys([ord("\r"), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], None),
}


def to_html(markdown: str) -> str:
    """Safe HTML; a Markdown that is not complete yet, as in the middle of an answer, is shown as far as it goes."""
    return _clean(parser().render(visible(markdown)))


def escape(text: str) -> str:
    """Text, for a place where HTML is expected."""
    return html.escape(visible(text), quote=True)


def visible(text: str) -> str:
    """Text as it can be shown anywhere: control characters are seen and do nothing, and what is read comes in order."""
    return text.translate(_VISIBLE)


def is_foreign_link(url: str) -> bool:
    """Whether it leads away: a relative link would lead into Jupyter itself, others into the browser."""
    return _LINK.match(url) is not None


class GrowingMarkdown:
    """A Markdown that is being written: each block is rendered once when it is finished, and only the last one again
    and again. For one writer, from any thread."""

    def __init__(self) -> None:
        self.blocks: list[str] = []  # safe HTML of those that are finished
        self._start = 0  # of the others, in characters of the visible text
        self._known: dict[str, Any] = {}  # links by reference, as the finished blocks define them
        self._seen, self._length = "", 0

    def grow(self, text: str) -> str:
        """`text`: all of it so far. What has been finished since is in `blocks` on return; returns what is not yet."""
        self._seen += visible(text[self._length :])
        self._length = len(text)
        rest = self._seen[self._start :]
        # Only of whole lines is it known what they begin: a "2" may become the next item of the list above it.
        last = _last_start(parser().parse(rest[: rest.rfind("\n") + 1], deepcopy(self._known)))
        if last:
            finished = "".join(f"{line}\n" for line in rest.split("\n", last)[:last])
            self.blocks += self._rendered(finished)
            self._start += len(finished)
            rest = rest[len(finished) :]
        return _clean(parser().render(rest, deepcopy(self._known)))

    def whole(self, text: str) -> str:
        """All of it so far."""
        rest = self.grow(text)
        return "".join([*self.blocks, rest])

    def finish(self) -> bool:
        """Nothing comes any more: all of it is in `blocks`. Returns whether some have changed that were finished, as
        they do where a link by reference was defined below."""
        had = len(self._known.get("references", ()))
        begun = len(self.blocks)
        self.blocks += self._rendered(self._seen[self._start :])
        self._start = len(self._seen)
        if begun == 0 or len(self._known.get("references", ())) == had == 0:
            return False
        self.blocks = self._rendered(self._seen)
        return True

    def _rendered(self, markdown: str) -> list[str]:
        tokens = parser().parse(markdown, self._known)
        blocks = _blocks(tokens)
        return [_clean(parser().renderer.render(block, parser().options, self._known)) for block in blocks]


def _last_start(tokens: Sequence[Token]) -> int:
    """The line in which the last block begins."""
    starts = [token.map[0] for token in tokens if token.level == 0 and token.nesting >= 0 and token.map]
    return starts[-1] if starts else 0


def _blocks(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    block: list[Token] = []
    for token in tokens:
        block.append(token)
        if token.level == 0 and token.nesting <= 0:
            yield block
            block = []


@functools.cache
def parser() -> MarkdownIt:
    """It passes no HTML through; of an image it makes a link."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("js-default", {"html": False, "linkify": False, "highlight": _highlight})
    parser.add_render_rule("image", _image_link)
    parser.core.ruler.before("inline", "bounded", _bounded)
    keep_formulas(parser)
    return parser


def _bounded(state: StateCore) -> None:
    """A paragraph of so many brackets that reading them takes the square of their number is text."""
    from markdown_it.token import Token

    for token in state.tokens:
        if token.type == "inline" and token.content.count("[") > _MAX_BRACKETS:
            token.content, token.children = "", [Token("text", "", 0, content=token.content)]


def _highlight(code: str, language: str, _: str) -> str:
    return highlighted(code, language)


def _image_link(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """An image becomes a link to it: nothing is fetched before somebody clicks."""
    image = tokens[index]
    label = renderer.renderInlineAsText(image.children, options, env) or "image"
    return f'<a href="{escape(str(image.attrGet("src")))}">{escape(label)}</a>'


def _clean(unsafe: str) -> str:
    import nh3

    return nh3.clean(
        unsafe,
        tags=set(TAGS),
        attributes=ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    match tag, name:
        case _, "href":
            return value if is_foreign_link(value) else None
        case "span", "style":
            return value if value in STYLES else None
        case _, "style":
            return value if _ALIGNMENT.fullmatch(value) else None
    return value
