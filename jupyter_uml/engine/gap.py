"""Text with a gap, as a prompt whose answer fills it: by the model's own tokens for that (prefix, suffix, middle) where
its vocabulary has them, else by a conversation whose last turn goes on with the text before the gap.

What does not fit is left out far from the gap, and many tokens at a time: so the prompt of the next key begins as this
one does, and the cache has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from jupyter_uml.engine.model import Model
from jupyter_uml.engine.shortening import scaled
from jupyter_uml.types import Gap, Message

_STEPS = 4  # parts of the room, of which whole ones are left out
_SPARE = 16  # tokens by which a text may grow where it meets others
_TASK = "Go on with this {language} exactly where it stops. Write nothing else."
_AFTER = "This follows it later, and is not to be repeated:"

Render = Callable[[Sequence[Message]], list[int]]  # messages to the tokens of the prompt


@dataclass(frozen=True, slots=True)
class GapPrompts:
    """For one model. `most`: characters to which a text is cut before it is tokenized at all."""

    model: Model
    most: int

    def build(self, gap: Gap, room: int, render: Render | None) -> tuple[list[int], int]:
        """The prompt's tokens, at most `room`, and about how many tokens of the text are left out.

        `render`: None for a model without a chat template, which goes on with the bare text.
        """
        near = replace(gap, prefix=gap.prefix[_start(len(gap.prefix), self.most) :], suffix=gap.suffix[: self.most])
        before, after = self._tokens(near.prefix), self._tokens(near.suffix)
        whole = scaled(len(before), len(gap.prefix), len(near.prefix))
        whole += scaled(len(after), len(gap.suffix), len(near.suffix))
        if self.model.infill is not None:
            tokens, kept = self._by_marks(before, after, room)
        elif render is not None:
            tokens, kept = self._by_turns(near, before, after, room, render)
        else:
            tokens, kept = self._bare(before, room)
        return tokens, whole - kept

    def _by_marks(self, before: list[int], after: list[int], room: int) -> tuple[list[int], int]:
        assert self.model.infill is not None
        prefix, suffix, middle = self.model.infill
        bos = self._bos()
        before, after = _fitted(before, after, room - len(bos) - 3)
        return [*bos, prefix, *before, suffix, *after, middle], len(before) + len(after)

    def _by_turns(
        self, gap: Gap, before: list[int], after: list[int], room: int, render: Render
    ) -> tuple[list[int], int]:
        around = len(render(_turns("", "" if not gap.suffix.strip() else "…", gap.language)))
        kept_before, kept_after = _fitted(before, after, room - around - _SPARE)
        prefix = gap.prefix if len(kept_before) == len(before) else self._text(kept_before)
        suffix = gap.suffix if len(kept_after) == len(after) else self._text(kept_after)
        return render(_turns(prefix, suffix, gap.language)), len(kept_before) + len(kept_after)

    def _bare(self, before: list[int], room: int) -> tuple[list[int], int]:
        bos = self._bos()
        kept = before[_start(len(before), room - len(bos)) :]
        return [*bos, *kept], len(kept)

    def _tokens(self, text: str) -> list[int]:
        """Names of control tokens in it are just text."""
        return self.model.tokenize(text, add_special=False, parse_special=False)

    def _text(self, tokens: list[int]) -> str:
        return b"".join(map(self.model.piece, tokens)).decode(errors="ignore")

    def _bos(self) -> list[int]:
        return self.model.tokenize("", add_special=True, parse_special=False)[:1] if self.model.adds_bos else []


def _fitted(before: list[int], after: list[int], room: int) -> tuple[list[int], list[int]]:
    """The end of the one and the beginning of the other: a quarter of the room is the other's, or what is left over."""
    room = max(0, room)
    after = after[: max(room // _STEPS, room - len(before))]
    return before[_start(len(before), room - len(after)) :], after


def _start(length: int, room: int) -> int:
    """Where the last `room` of so many begin, or somewhat later: at the same place for many lengths that follow."""
    step = max(1, room // _STEPS)
    return min(length, -(-max(0, length - room) // step) * step)


def _turns(prefix: str, suffix: str, language: str) -> Sequence[Message]:
    """The answer goes on with the last of them."""
    fence = f"```{language}\n"
    task = _TASK.format(language=f"{language} code" if language else "text")
    if suffix.strip():
        task += f"\n{_AFTER}\n{fence}{suffix}\n```"
    return Message("user", task), Message("assistant", fence + prefix)
