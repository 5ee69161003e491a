"""Markdown of a model, written anew for a cell that other programs will render: what it says stays, and is harmless.

Nothing is copied but text, which is escaped, and code. So it does not matter where another program would read the
original in another way. There is no HTML, no image and no diagram in what comes out. A page that looks for formulas in
whatever text it shows finds them here, too, but none reaches over more than one text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jupyter_uml.display.highlight import language_of
from jupyter_uml.display.markdown import is_foreign_link, parser, visible

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

# As character references: a backslash before them would be read by programs that look for formulas first.
_REFERENCES = str.maketrans({character: f"&#{ord(character)};" for character in "\\$`@[]<&"})
_MARKS = re.compile(r"[*_|~!>]")
_LINE_STARTS = re.compile(r"^([ \t]*)([#+=\-]|\d+(?=[.)]))", re.MULTILINE)
_URL = str.maketrans({character: f"%{ord(character):02X}" for character in " \"'()<>[\\]^`{|}$*_~!\t\n"})


def parts_of(markdown: str) -> list[tuple[str, str]]:
    """Code of Python that stands by itself as `("python", code)`, and what is between as `("markdown", source)`."""
    from markdown_it.tree import SyntaxTreeNode

    parts: list[tuple[str, str]] = []
    for node in SyntaxTreeNode(parser().parse(visible(markdown))).children:
        if node.type == "fence" and language_of(node.info) == "python":
            parts.append(("python", node.content.rstrip("\n")))
        elif parts and parts[-1][0] == "markdown":
            parts[-1] = ("markdown", f"{parts[-1][1]}\n\n{_block(node)}")
        else:
            parts.append(("markdown", _block(node)))
    return parts


def text_source(text: str) -> str:
    """Text, as Markdown that shows it as it was written."""
    return "  \n".join(_text(line.strip()) for line in visible(text).split("\n"))


def _block(node: SyntaxTreeNode) -> str:
    match node.type:
        case "heading":
            return f"{'#' * int(node.tag[1])} {_line(node)}"
        case "fence" | "code_block":
            return _fenced(node.content, language_of(node.info) if node.type == "fence" else "")
        case "blockquote":
            return _indented(_blocks(node.children), "> ", "> ")
        case "bullet_list":
            return "\n".join(_indented(_blocks(item.children), "- ", "  ") for item in node.children)
        case "ordered_list":
            first = int(node.attrs.get("start", 1))
            return "\n".join(
                _indented(_blocks(item.children), f"{number}. ", " " * (len(str(number)) + 2))
                for number, item in enumerate(node.children, first)
            )
        case "hr":
            return "---"
        case "table":
            return _table([row for part in node.children for row in part.children])
    return _line(node)


def _blocks(nodes: Sequence[SyntaxTreeNode]) -> str:
    return "\n\n".join(map(_block, nodes))


def _line(node: SyntaxTreeNode) -> str:
    """Of what holds inline content: a paragraph, a heading, a cell of a table."""
    return "".join(_inline(child) for inline in node.children for child in inline.children or ())


def _table(rows: Sequence[SyntaxTreeNode]) -> str:
    lines = [f"| {' | '.join(_line(cell).replace(chr(10), ' ') for cell in row.children)} |" for row in rows]
    return "\n".join([lines[0], f"|{' --- |' * len(rows[0].children)}", *lines[1:]])


def _inline(node: SyntaxTreeNode) -> str:
    match node.type:
        case "text":
            return _text(node.content)
        case "code_inline":
            return _code(node.content)
        case "softbreak":
            return "\n"
        case "hardbreak":
            return "  \n"
        case "link":
            return _link("".join(map(_inline, node.children)), str(node.attrs.get("href", "")))
        case "image":
            return _link(_text(node.content) or "image", str(node.attrs.get("src", "")))
    inner = "".join(map(_inline, node.children))
    mark = {"em": "*", "strong": "**", "s": "~~"}.get(node.type, "")
    return f"{mark}{inner}{mark}" if inner.strip() else inner


def _text(text: str) -> str:
    text = _MARKS.sub(lambda found: f"\\{found[0]}", text.translate(_REFERENCES))
    return _LINE_STARTS.sub(lambda found: f"{found[1]}&#{ord(found[2][0])};{found[2][1:]}", text)


def _link(label: str, url: str) -> str:
    return f"[{label}](<{url.translate(_URL)}>)" if is_foreign_link(url) else label


def _code(code: str) -> str:
    """In the line: what a formula or a table could be seen in is shown as text."""
    code = code.replace("\n", " ")
    if re.search(r"[$\\|`]", code):
        return _text(code)
    return f"` {code} `" if code.startswith(" ") or code.endswith(" ") else f"`{code}`"


def _fenced(code: str, language: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code.rstrip(chr(10))}\n{fence}"


def _indented(text: str, first: str, others: str) -> str:
    lines = text.split("\n")
    return "\n".join([first + lines[0], *((others + line).rstrip() for line in lines[1:])])
