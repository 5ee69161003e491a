"""The page's side of the widgets: an ES module, or a style sheet, of several files in `assets`, one after the other.

A widget's module travels as one text, so it cannot import its neighbours: files before the last declare functions and
classes and export nothing, and the last one has the `export default`.
"""

from __future__ import annotations

from pathlib import Path

ASSETS = Path(__file__).parent / "assets"


def esm(*names: str) -> str:
    """`esm("elements", "plot", "model_view")`: their `.js`, joined."""
    return _joined(names, "js")


def css(*names: str) -> str:
    """The same of their `.css`."""
    return _joined(names, "css")


def _joined(names: tuple[str, ...], suffix: str) -> str:
    return "\n".join((ASSETS / f"{name}.{suffix}").read_text("utf-8") for name in names)
