"""Making a conversation shorter that does not fit, in the way that its request names."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jupyter_uml.engine.image_rows import ImagePlaces
from jupyter_uml.engine.model import Model
from jupyter_uml.types import Message

GAP = "\n[…]\n"  # shows the model where a message was shortened
LEAST = 16  # tokens; a message is not shortened to less
MESSAGE_BYTES = 16  # around each message, in most templates


@dataclass(frozen=True, slots=True)
class Turns:
    """Rendered messages. `opening`: how their text ends, from the beginning of the assistant's turn on."""

    tokens: list[int]
    opening: str
    images: ImagePlaces


@dataclass(frozen=True, slots=True)
class Shortening:
    """Cuts conversations to `budget` tokens; texts to `most` bytes before they are tokenized at all.

    Both ways return what is left, and how many tokens are missing: an estimate for very long texts.
    """

    model: Model
    render: Callable[[Sequence[Message]], Turns]
    budget: int
    most: int

    def without_middles(self, messages: Sequence[Message]) -> tuple[Turns, int]:
        """Cuts the longest messages down to one level, which is as high as the budget allows."""
        most = _level([size_of(message.content) for message in messages], self.most)
        bounded = [m if m.images else replace(m, content=without_middle(m.content, most, GAP)) for m in messages]
        turns = self.render(bounded)
        full = scaled(len(turns.tokens), length_of(messages), length_of(bounded))
        if len(turns.tokens) <= self.budget:
            return turns, full - len(turns.tokens)
        turns = self._levelled(bounded, len(turns.tokens))
        return turns, max(0, full - len(turns.tokens))

    def _levelled(self, messages: Sequence[Message], present: int) -> Turns:
        texts = [_Tokenized(self.model, message.content) for message in messages]
        sizes = [text.n_tokens for text in texts]
        level = _level(sizes, sum(sizes) + self.budget - present)
        gap = len(self.model.tokenize(GAP, add_special=False, parse_special=False))
        while True:
            level = max(level, LEAST)
            turns = self.render(
                [m if m.images else replace(m, content=t.cut(level, gap)) for m, t in zip(messages, texts, strict=True)]
            )
            if len(turns.tokens) <= self.budget or level == LEAST:
                return turns
            # Pieces that meet are tokenized in another way than the whole was: a few tokens more, or less.
            level -= -(-(len(turns.tokens) - self.budget) // max(1, sum(size > level for size in sizes)))

    def without_oldest(self, messages: Sequence[Message]) -> tuple[Turns, int]:
        """Leaves out whole turns, which begin with a message of the user; never the last one, no system message."""
        starts = [0, *(i for i, message in enumerate(messages) if message.role == "user" and i > 0)]

        def kept(start: int) -> list[Message]:
            return [m for i, m in enumerate(messages) if i >= start or m.role in ("system", "developer")]

        def fits(start: int) -> bool:
            return len(self.render(kept(start)).tokens) <= self.budget

        first = _first(starts, lambda start: length_of(kept(start)) <= self.most)
        whole = self.render(kept(starts[first]))
        full = scaled(len(whole.tokens), length_of(messages), length_of(kept(starts[first])))
        if len(whole.tokens) <= self.budget:
            return whole, full - len(whole.tokens)
        turns = self.render(kept(starts[first + _first(starts[first:], fits)]))
        return turns, max(0, full - len(turns.tokens))


class _Tokenized:
    """A text and where its tokens end in it, so that its middle can be left out at the ends of tokens."""

    def __init__(self, model: Model, text: str) -> None:
        self._text, self._data = text, text.encode(errors="replace")
        tokens = model.tokenize(text, add_special=False, parse_special=False)
        self._ends = np.cumsum([0, *(len(model.piece(token)) for token in tokens)])
        self.n_tokens = len(tokens)

    def cut(self, level: int, gap: int) -> str:
        """The text in `level` tokens, `gap` of them for the sign that some are missing."""
        if self.n_tokens <= level:
            return self._text
        keep = max(0, level - gap)
        head, tail = self._place((keep + 1) // 2), self._place(self.n_tokens - keep // 2)
        return self._data[:head].decode(errors="ignore") + GAP + self._data[tail:].decode(errors="ignore")

    def _place(self, n_tokens: int) -> int:
        # Some tokenizers add a space in front or change letters: the pieces are then longer or shorter than the text.
        return int(self._ends[n_tokens]) * len(self._data) // max(1, int(self._ends[-1]))


def size_of(text: str) -> int:
    """Its bytes."""
    return len(text.encode(errors="replace"))


def length_of(messages: Iterable[Message]) -> int:
    """Bytes of what is said in them, and of what a template writes around it."""
    return sum(_said(message) + MESSAGE_BYTES for message in messages)


def _said(message: Message) -> int:
    calls = sum(size_of(call.name) + size_of(call.arguments) for call in message.tool_calls)
    return size_of(message.content) + size_of(message.reasoning or "") + calls


def scaled(n_tokens: int, whole: int, part: int) -> int:
    return n_tokens if whole == part else max(n_tokens, n_tokens * whole // max(1, part))


def without_middle(text: str, most: int, gap: str = "") -> str:
    """The text, of which the first and the last `most / 2` bytes are kept."""
    if len(data := text.encode(errors="replace")) <= most:
        return text
    head, tail = data[: (most + 1) // 2], data[len(data) - most // 2 :]
    return head.decode(errors="ignore") + gap + tail.decode(errors="ignore")


def _level(sizes: Sequence[int], room: int) -> int:
    """The highest level to which all sizes may be cut so that their sum is within `room`."""
    for done, size in enumerate(sorted(sizes)):
        if size * (len(sizes) - done) > room:
            return max(0, room // (len(sizes) - done))
        room -= size
    return max(sizes, default=0)


def _first(starts: Sequence[int], fits: Callable[[int], bool]) -> int:
    """The index of the first start that fits, by bisection; the last one where none does."""
    return min(bisect_left(starts, True, key=fits), len(starts) - 1)
