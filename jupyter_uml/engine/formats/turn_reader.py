"""What the parsers of all families are made of."""

from __future__ import annotations

import secrets
import string
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from typing import TypeVar

from jupyter_uml.engine.formats.chat_format import Parsed
from jupyter_uml.engine.formats.json_text import JsonText
from jupyter_uml.engine.formats.scanner import Scanner
from jupyter_uml.types import CallDelta

T = TypeVar("T")
Reading = Generator[None, None, T]  # yields where it needs more text
_ALPHANUMERIC = string.ascii_letters + string.digits


class TurnReader(ABC):
    """A `Parser`. Its family writes `read`, which goes through one turn from its beginning to its end by
    `yield from self.content(…)`, `self.thinking(…)` and so on; each of them waits for as much text as it needs, and
    at the end of the answer returns what there is."""

    def __init__(self, tools: bool) -> None:
        """`tools`: calls may come. White space before them is then not given out, which delays all white space."""
        self.text = Scanner()
        self.reasoning = False
        self.calls_ended = 0
        self.calls_begun = 0
        self._has_arguments = False
        self._content = _Trimmed(lead=False, tail=tools)
        self._thought = _Trimmed(lead=True, tail=True)
        self._calls: list[CallDelta] = []
        self._reader = self.read()

    @abstractmethod
    def read(self) -> Reading[None]:
        """Read the whole turn. What it leaves unread is content."""

    def push(self, text: str) -> Parsed:
        self.text.push(text)
        return self._go_on()

    def finish(self) -> Parsed:
        self.text.close()
        parsed = self._go_on()
        return Parsed(parsed.content + self._content.held(), parsed.reasoning + self._thought.held(), parsed.calls)

    def _go_on(self) -> Parsed:
        if next(self._reader, self) is self:
            self.say(self.text.rest())
        calls, self._calls = tuple(self._calls), []
        return Parsed(self._content.given(), self._thought.given(), calls)

    # --- reading ---

    def content(self, *markers: str) -> Reading[str]:
        """What is meant for people, up to the first of `markers`, which is returned; "" at the end of the answer."""
        return (yield from self.through(self.say, *markers))

    def thinking(self, *ends: str) -> Reading[str]:
        """Reasoning, up to the first of `ends`, which is returned; "" at the end of the answer."""
        self.reasoning = True
        end = yield from self.through(self._thought.add, *ends)
        self.reasoning = not end
        if end:
            self._thought.drop_space()
            self._content.drop_space()
        return end

    def thoughts(self, opening: str, start: str, end: str) -> Reading[None]:
        """The reasoning at the beginning of a turn, if there is some: `opening` has begun it, or it begins now."""
        if is_inside(opening, start, end):
            yield from self.thinking(end)
        elif end not in opening:
            space, marker = yield from self.next(start)
            if marker:
                yield from self.thinking(end)
            else:
                self.say(space)

    def arguments(self, *ends: str) -> Reading[str]:
        """The raw arguments of the call that was begun, up to one of `ends`, which is returned."""
        return (yield from self.through(self.argue, *ends))

    def word(self, *ends: str) -> Reading[tuple[str, str]]:
        """A text that is not given out, such as a function's name, and which of `ends` came after it."""
        taken: list[str] = []
        end = yield from self.through(taken.append, *ends)
        return "".join(taken), end

    def skip_to(self, *ends: str) -> Reading[str]:
        """Read up to one of `ends`, which is returned; what comes before it is nothing."""
        return (yield from self.through(lambda _: None, *ends))

    def next(self, *markers: str) -> Reading[tuple[str, str]]:
        """White space, and which of `markers` comes after it: "" if none does."""
        space: list[str] = []
        while True:
            space.append(self.text.skip_space())
            marker = self.text.starts(*markers)
            if marker is not None:
                return "".join(space), marker
            yield

    def starting(self, *markers: str) -> Reading[str]:
        """Which of `markers` comes at once: "" if none does."""
        while (marker := self.text.starts(*markers)) is None:
            yield
        return marker

    def json(self, take: Callable[[str], object]) -> Reading[bool]:
        """A JSON value, given to `take` as it comes; False where none begins here, or where the answer ends in it."""
        value = JsonText()
        while True:
            take(self.text.json(value))
            if value.ended or self.text.closed:
                return value.started and value.ended
            yield

    def through(self, take: Callable[[str], object], *markers: str) -> Reading[str]:
        """All up to the first of `markers`, which is returned, given to `take` as it comes."""
        while True:
            text, marker = self.text.until(*markers) if markers else (self.text.rest(), "")
            if text:
                take(text)
            if marker or self.text.closed:
                return marker
            yield

    # --- writing ---

    def say(self, text: str) -> None:
        """Give out content."""
        self._content.add(text)

    def skip_space(self) -> None:
        """The white space that comes next is no content."""
        self._content.drop_space()

    def begin_call(self, name: str, id: str | None = None) -> None:
        self._content.drop_space()
        self._calls.append(CallDelta(self.calls_begun, id=id or new_id(), name=name))
        self.calls_begun += 1
        self._has_arguments = False

    def argue(self, text: str) -> None:
        """Add to the arguments of the call that was begun."""
        if text:
            self._has_arguments = True
            self._calls.append(CallDelta(self.calls_begun - 1, text))

    def end_call(self) -> None:
        if not self._has_arguments:
            self.argue("{}")
        self.calls_ended += 1


def is_inside(opening: str, start: str, end: str) -> bool:
    """Whether `opening` leaves something open that `start` begins and `end` ends."""
    return opening.rfind(start) > opening.rfind(end)


def new_id() -> str:
    """The id of a call. Nine letters and digits, which is all that Mistral's templates let pass."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(9))


class _Trimmed:
    """Text to be given out. `lead`: without the white space that it begins with. `tail`: white space is held back until
    more text comes."""

    def __init__(self, lead: bool, tail: bool) -> None:
        self._lead, self._tail = lead, tail
        self._space: list[str] = []
        self._texts: list[str] = []

    def add(self, text: str) -> None:
        if self._lead:
            text = text.lstrip()
        self._lead = self._lead and not text
        body = text.rstrip() if self._tail else text
        if body:
            self._texts += [*self._space, body]
            self._space = []
        if len(body) < len(text):
            self._space.append(text[len(body) :])

    def drop_space(self) -> None:
        """Drop the white space that was held back, and that which comes next."""
        self._space = []
        self._lead = True

    def given(self) -> str:
        texts, self._texts = self._texts, []
        return "".join(texts)

    def held(self) -> str:
        space, self._space = self._space, []
        return "".join(space)
