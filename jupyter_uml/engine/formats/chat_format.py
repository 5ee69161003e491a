"""What a chat format is: the inverse of a chat template, for one family of models. Pure: text in, pieces out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jupyter_uml.types import CallDelta, Tool, ToolCall

Word = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a piece of raw text turned out to be."""

    content: str = ""
    reasoning: str = ""
    calls: tuple[CallDelta, ...] = ()


class Parser(Protocol):
    """Follows one answer. All work together is linear in the answer's length."""

    reasoning: bool  # what comes next is reasoning
    calls_ended: int  # tool calls that are complete

    def push(self, text: str) -> Parsed:
        """Take the next piece of raw text, control tokens of `markers` written out; any cut of it must do.

        What may still become a marker is held back. Text that looked like a call and is none comes out as content.
        """
        ...

    def finish(self) -> Parsed:
        """The answer has ended, perhaps in the middle of something: give up what was held back. Nothing is lost: a call
        that was cut keeps the arguments it has; a call without a name becomes content."""
        ...


class ChatFormat(Protocol):
    """A family's way of writing. Stateless.

    `opening`, below, is how the prompt ends, from the beginning of the assistant's turn on, `<|im_start|>assistant\\n
    <think>\\n` for instance: a template may have opened (or closed) the reasoning already.
    """

    @property
    def name(self) -> str: ...

    @property
    def markers(self) -> tuple[str, ...]:
        """Texts of control tokens that the parser must see; others have no text."""
        ...

    @property
    def reasons(self) -> bool:
        """Whether the family's models may reason."""
        ...

    @property
    def end_of_reasoning(self) -> str:
        """The text that ends reasoning; empty where `reasons` is false."""
        ...

    @property
    def start_of_answer(self) -> str:
        """What must follow that text where a model may reason on instead; empty where it does not."""
        ...

    def parser(self, tools: Sequence[Tool], opening: str) -> Parser: ...

    def calls(self, tools: Sequence[Tool], opening: str, word: Word, *, many: bool, free: bool) -> str:
        """A Lark grammar, in llguidance's dialect, of answers that call `tools` as they should be called.

        `many`: more than one call is allowed. `free`: the answer may be, or begin with, any text, and only what begins
        like a call must be one; else there is nothing but at least one call (after the reasoning, where `opening` or
        the format has some). Arguments satisfy the schema of their tool.

        `word(text)`: the terminal for a literal text: a control token by its number, else a quoted string.
        """
        ...

    def answer(self, body: str, opening: str, word: Word) -> str:
        """A Lark grammar of answers whose content is `body`, the right side of a Lark rule (`%json {…}`, `/…/`), after
        the reasoning where there is some."""
        ...


@runtime_checkable
class WritesCalls(Protocol):
    """A format of which some templates leave calls out, or do not say how to write them."""

    def written(self, calls: Sequence[ToolCall]) -> str:
        """The calls as the model would write them."""
        ...
