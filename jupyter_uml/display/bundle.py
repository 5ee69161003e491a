"""An answer as Jupyter shows it: the same bytes, whether a cell is showing it or the server kept it for a page."""

from __future__ import annotations

from jupyter_uml.display.colours import DOUBTFUL, QUIET
from jupyter_uml.display.highlight import PALETTE
from jupyter_uml.display.render import Written, answer_html, answer_text, escape

MARK = "uml-cell-answer"  # by which a page finds it, to put what no output can bring beside its code
_SMALL = "font-size:var(--jp-ui-font-size1,13px)"


def answer_bundle(answer: Written, note: str, warn: bool = False, body: str | None = None) -> dict[str, str]:
    """`text/html` with the note under the answer, in a colour of warning if it is to `warn`; `text/plain` without.

    `body`: safe HTML in the answer's place.
    """
    shown = answer_html(answer) if body is None else body
    gap = "-.4em" if shown.rstrip().endswith("</p>") else ".4em"  # a paragraph has one of its own
    style = f"color:{DOUBTFUL if warn else QUIET};{_SMALL};margin-top:{gap}"
    palette = f";{PALETTE}" if "var(--uml-" in shown else ""
    marked = f'<div class="{MARK}" style="overflow-wrap:anywhere{palette}">{shown}</div>'
    html = f'{marked}<div style="{style}">{escape(note)}</div>'
    return {"text/html": html, "text/plain": answer_text(answer)}
