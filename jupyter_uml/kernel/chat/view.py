"""The widget that shows a conversation while it is written.

The kernel owns the state; the page shows it and sends what the person does. Everything travels as synced state, since
messages sent before a view is there are lost. HTML in it has been made by `display.markdown`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import Any

import anywidget
import traitlets

from jupyter_uml.display.highlight import PALETTE
from jupyter_uml.kernel.esm import css, esm

Told = dict[str, Any]  # what the page reads
Handler = Callable[[str, Mapping[str, Any], list[memoryview]], None]


class ChatView(anywidget.AnyWidget):
    """`turns`: `{"id", "kind": "question", "text", "attached"}`, `{"id", "kind": "answer", "parts", "note"}` or
    `{"id", "kind": "error", "text"}`. `parts`: of how many blocks each part of an answer is made, `reasoning` and
    `text`. `live`: the answer that is being written, `{"turn", "parts": {part: [blocks, HTML of the rest]}, "note"}`,
    or empty.

    Each block is a state of its own, named `block:TURN:PART:NUMBER`, so that it is sent once, and again only to a page
    that is loaded anew.

    `origin`: `{"cell", "settings"}`, which cell made the panel and with what, by which the page knows it again after a
    restart of the kernel; the cell is empty where it is not known.

    `settings`: texts, as `settings.py` reads them, and `faults` what is wrong with them; `models`: `[id, text]`;
    `variables` of the notebook and `attached`: `{"name", "note"}`; `blind`: why no image can be attached; `notice`:
    what could not be done; `draft`: what has been typed and not been sent; `heard`: counts what the page sent.
    """

    _esm = esm(
        "elements", "chat_kept", "chat_place", "chat_blocks", "chat_turns", "chat_settings", "chat_attach", "chat_view"
    )
    _css = css("elements", "chat_view", "chat_answer") + f".uml-chat {{{PALETTE}}}"

    turns = traitlets.List(traitlets.Dict()).tag(sync=True)
    live = traitlets.Dict().tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)
    heading = traitlets.Unicode("").tag(sync=True)
    hint = traitlets.Unicode("").tag(sync=True)
    origin = traitlets.Dict({"cell": "", "settings": {}}).tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    faults = traitlets.Dict().tag(sync=True)
    models = traitlets.List(traitlets.List()).tag(sync=True)
    variables = traitlets.List(traitlets.Dict()).tag(sync=True)
    attached = traitlets.List(traitlets.Dict()).tag(sync=True)
    blind = traitlets.Unicode("").tag(sync=True)
    notice = traitlets.Unicode("").tag(sync=True)
    draft = traitlets.Unicode("").tag(sync=True)
    heard = traitlets.Int(0).tag(sync=True)

    # The kernel's thread writes here, and the client's, which traitlets knows nothing of. One lock for all panels.
    lock = RLock()

    def __setattr__(self, name: str, value: Any) -> None:
        with self.lock:
            super().__setattr__(name, value)

    def set_state(self, sync_data: Told) -> None:
        """What the page says."""
        with self.lock:
            super().set_state(sync_data)

    @contextmanager
    def hold_sync(self) -> Iterator[None]:
        """What is changed meanwhile is sent at once."""
        with self.lock, super().hold_sync():
            yield

    def __init__(self, **state: Any) -> None:
        self._blocks: dict[str, str] = {}
        super().__init__(**state)

    def on_action(self, handle: Handler, on_seen: Callable[[str, bool], object]) -> None:
        """`handle(action, fields, buffers)` for what the person does; `on_seen(view, seen)` when a page says whether a
        view is seen."""

        def receive(_: Any, content: Any, buffers: list[memoryview]) -> None:
            if not isinstance(content, dict):
                return
            if "seen" in content:
                on_seen(str(content.get("view")), bool(content["seen"]))
            else:
                self.heard += 1
                handle(str(content.get("action")), content, buffers)

        self.on_msg(receive)

    def set_blocks(self, turn: str, part: str, first: int, blocks: Iterable[str]) -> None:
        """Blocks of a part, from number `first` on: safe HTML. Those that the page has are not sent again."""
        named = {f"block:{turn}:{part}:{number}": block for number, block in enumerate(blocks, first)}
        fresh = {name: block for name, block in named.items() if self._blocks.get(name) != block}
        self._blocks |= fresh
        if fresh:
            self.send_state(list(fresh))

    def blocks(self, turn: str, part: str) -> list[str]:
        return [block for name, block in self._blocks.items() if name.startswith(f"block:{turn}:{part}:")]

    def forget_blocks(self, turn: str) -> None:
        """The page forgets them with the turn."""
        self._blocks = {name: block for name, block in self._blocks.items() if not name.startswith(f"block:{turn}:")}

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> Told:
        """With the blocks, which are no traits."""
        blocks = self._blocks  # another thread may put others in its place meanwhile
        names = list(self.keys) + list(blocks) if key is None else [key] if isinstance(key, str) else list(key)
        state: Told = super().get_state([name for name in names if self.has_trait(name)], drop_defaults)
        return state | {name: blocks[name] for name in names if name in blocks}
