"""What axe-core finds wrong with a part of a page: names, roles, contrast, the order of headings, and the like."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator

SCRIPT = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
# Motion would be checked in its middle: a button that fades in has hardly any contrast. And Jupyter's body, which is 0
# pixels high, hides its overflow: axe takes the text of the whole page for invisible, and checks no contrast of it.
STYLE = """
*, *::before, *::after { animation: none !important; transition: none !important; }
body { height: 100vh; }
"""
RUN = """async () => {
    const {violations} = await axe.run('[data-uml-axe]', {resultTypes: ['violations']});
    return violations.map(({id, help, nodes}) => ({id, help, nodes: nodes.map(node => node.html.slice(0, 300)
        + '\\n      ' + node.any.concat(node.all, node.none).map(check => check.message).join('; '))}));
}"""


def violations(*parts: Locator) -> list[str]:
    """The rules that are broken, each with what breaks it and why. Contrast is checked of what is on the screen."""
    page = parts[0].page
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(_source())
        page.add_style_tag(content=STYLE)
    _mark(parts, True)
    found: list[dict[str, Any]] = page.evaluate(RUN)
    _mark(parts, False)
    return [_told(violation) for violation in found]


def _mark(parts: tuple[Locator, ...], marked: bool) -> None:
    """A locator cannot be told to axe."""
    for part in parts:
        part.evaluate("(node, marked) => node.toggleAttribute('data-uml-axe', marked)", marked)


@cache
def _source() -> str:
    return SCRIPT.read_text("utf-8")


def _told(violation: dict[str, Any]) -> str:
    return "\n    ".join([f"{violation['id']}: {violation['help']}", *violation["nodes"]])
