"""An answer on its way to the page, each block of it once."""

from __future__ import annotations

from collections.abc import Mapping

from jupyter_uml.display.markdown import GrowingMarkdown
from jupyter_uml.display.render import Written, calls_text, code_html, is_json, visible
from jupyter_uml.kernel.chat.view import ChatView, Told


class LiveAnswer:
    """`turn`: under which the page knows it. For the client's thread."""

    def __init__(self, view: ChatView, turn: str) -> None:
        self._view, self._turn = view, turn
        self._parts = {"reasoning": GrowingMarkdown(), "text": GrowingMarkdown()}
        self._sent = dict.fromkeys(self._parts, 0)

    def show(self, answer: Written, note: str = "") -> int:
        """As far as it has come; returns how much has been sent, in characters."""
        if is_json(answer.text):
            rests = {"reasoning": self._parts["reasoning"].grow(answer.reasoning), "text": code_html(answer.text)}
        else:
            texts = {"reasoning": answer.reasoning, "text": answer.text}
            rests = {name: self._parts[name].grow(text) for name, text in texts.items()}
        size = sum(map(self._send, self._parts))
        self._tell({**rests, "text": rests["text"] + _calls_html(answer)}, note)
        return size + sum(map(len, rests.values()))

    def wait(self, note: str) -> None:
        """Nothing has come yet."""
        self._tell(dict.fromkeys(self._parts, ""), note)

    def finish(self, answer: Written) -> dict[str, int]:
        """All of it is in blocks; returns how many there are of each part."""
        self.show(answer)
        for name, part in self._parts.items():
            if part.finish():
                self._sent[name] = 0
        text = self._parts["text"]
        if is_json(answer.text):
            text.blocks = [code_html(answer.text)]
        if answer.tool_calls:
            text.blocks.append(_calls_html(answer))
        for name in self._parts:
            self._send(name)
        self._view.set_blocks(self._turn, "source", 0, [visible(answer.text)])
        return {name: len(part.blocks) for name, part in self._parts.items()}

    def _send(self, name: str) -> int:
        """Blocks that are new; returns how much that is."""
        fresh = self._parts[name].blocks[self._sent[name] :]
        self._view.set_blocks(self._turn, name, self._sent[name], fresh)
        self._sent[name] += len(fresh)
        return sum(map(len, fresh))

    def _tell(self, rests: Mapping[str, str], note: str) -> None:
        parts: Told = {name: [self._sent[name], rest] for name, rest in rests.items()}
        self._view.live = {"turn": self._turn, "parts": parts, "note": note}


def _calls_html(answer: Written) -> str:
    return code_html(calls_text(answer)) if answer.tool_calls else ""
