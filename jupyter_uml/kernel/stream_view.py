"""The widget that shows a conversation while it is written: bubbles, the streaming answer, and the place to type.

The kernel owns the state; the page shows it and sends what the person does. Everything travels as synced state, since
messages sent before a view is there are lost. HTML in it has been made by `render.to_html`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

ASSETS = Path(__file__).parent / "assets"


class StreamView(anywidget.AnyWidget):
    """`turns` are dicts: `{"kind": "question", "text"}`, `{"kind": "answer", "html", "note"}`, or
    `{"kind": "error", "text"}`; `live` is the answer that is being written, `{"html", "note"}`, or empty."""

    _esm = ASSETS / "stream_view.js"
    _css = ASSETS / "stream_view.css"

    turns = traitlets.List(traitlets.Dict()).tag(sync=True)
    live = traitlets.Dict().tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)
    heading = traitlets.Unicode("").tag(sync=True)
    hint = traitlets.Unicode("").tag(sync=True)

    def on_action(self, handle: Callable[[str, str], None]) -> None:
        """`handle(action, text)` for what the person does: "send", "stop", "clear" or "retry"."""

        def receive(_: Any, content: Any, __: Any) -> None:
            if isinstance(content, dict):
                handle(str(content.get("action")), str(content.get("text") or ""))

        self.on_msg(receive)
