"""Markdown of a model, as HTML that cannot harm the page it is shown on.

A model's output is hostile: it may repeat what a web page or a file told it. Two walls, either of which would do:
the Markdown parser passes no HTML through, and the sanitizer lets only the tags below pass. No image is shown,
since loading one tells its server what the answer was about.
"""

from __future__ import annotations

import functools
import html
import re
from typing import TYPE_CHECKING, Any, Protocol

from jupyter_uml.display.colours import LINE, QUIET
from jupyter_uml.types import ToolCall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token

_TAGS = set("p br hr h1 h2 h3 h4 h5 h6 ul ol li blockquote pre code em strong s a table thead tbody tr th td".split())
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "th": {"style"}, "td": {"style"}}
_CODE = f"border-left:2px solid {LINE};padding-left:.8em;margin:.5em 0;white-space:pre-wrap"
MAX_RESULT = 2000  # characters of a call's result that are shown
# The beginning of an object or a list: a Markdown parser would take it for prose.
_JSON = re.compile(r'\s*(?:\{\s*["}]|\[\s*[\[{"\]\d])')
_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_ALIGNMENT = re.compile(r"text-align:(?:left|right|center)")

# What acts on a terminal, or turns round the text behind it, instead of being seen: it is made visible or left out.
_VISIBLE: dict[int, int | None] = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
    **dict.fromkeys([ord("\r"), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], None),
}

_REASONED = f"border-left:2px solid {LINE};padding-left:.8em"


class Written(Protocol):
    """An answer, whole or as far as it has come."""

    @property
    def text(self) -> str: ...

    @property
    def reasoning(self) -> str: ...

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]: ...


def answer_html(answer: Written) -> str:
    """Safe HTML of all of it: the reasoning, which folds when the answer itself begins, the text, the tool calls."""
    html = [_code_html(answer.text) if _JSON.match(answer.text) else to_html(answer.text)]
    if answer.reasoning:
        open_ = "" if answer.text or answer.tool_calls else " open"
        thoughts = f'<div style="{_REASONED}">{to_html(answer.reasoning)}</div>'
        html.insert(0, f'<details style="color:{QUIET}"{open_}><summary>Reasoning</summary>{thoughts}</details>')
    if answer.tool_calls:
        html.append(_code_html(calls_text(answer)))
    return "".join(html)


def answer_text(answer: Written) -> str:
    """The plain form, without the reasoning."""
    return visible("\n".join(part for part in (answer.text, calls_text(answer)) if part))


def calls_text(answer: Written) -> str:
    return "\n".join(f"→ {call.name} {call.arguments}" for call in answer.tool_calls)


def _code_html(text: str) -> str:
    return f'<pre style="{_CODE}"><code>{escape(text)}</code></pre>'


def result_html(content: str) -> str:
    """Safe HTML of what a called function gave back."""
    return f"<div>{_code_html(result_text(content))}</div>"  # else JupyterLab indents it


def result_text(content: str) -> str:
    more = len(content) - MAX_RESULT
    return visible(f"← {content[:MAX_RESULT]}" + (f" … ({more:,} more characters)" if more > 0 else ""))


def to_html(markdown: str) -> str:
    """Safe HTML; a Markdown that is not complete yet, as in the middle of an answer, is shown as far as it goes."""
    import nh3

    return nh3.clean(
        _parser().render(visible(markdown)),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def escape(text: str) -> str:
    """Text, for a place where HTML is expected."""
    return html.escape(visible(text), quote=True)


def visible(text: str) -> str:
    """Text as it can be shown anywhere: control characters are seen and do nothing, and what is read comes in order."""
    return text.translate(_VISIBLE)


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("js-default", {"html": False, "linkify": False})
    parser.add_render_rule("image", _image_link)
    return parser


def _image_link(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """An image becomes a link to it: nothing is fetched before somebody clicks."""
    image = tokens[index]
    label = renderer.renderInlineAsText(image.children, options, env) or "image"
    return f'<a href="{escape(str(image.attrGet("src")))}">{escape(label)}</a>'


def _attribute(tag: str, name: str, value: str) -> str | None:
    match tag, name:
        case _, "href":
            return value if _LINK.match(value) else None  # a relative link would lead into Jupyter itself
        case _, "style":
            return value if _ALIGNMENT.fullmatch(value) else None
    return value
