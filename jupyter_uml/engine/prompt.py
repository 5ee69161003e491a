"""From a request to the tokens of its prompt: chat template, tokenizer, and what is left out where a request asks so.

A prompt that does not fit is refused with both numbers, unless the request names a way of shortening it. It is then
shortened so that the answer has room too. Whatever is sent, only about a context's worth of text is ever tokenized.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jupyter_uml.engine.chat import MARK, ChatTemplate, guard
from jupyter_uml.engine.model import Model
from jupyter_uml.errors import ContextLengthExceeded, InvalidRequest, UmlError
from jupyter_uml.types import GenerateRequest, Message

PLAUSIBLE_TOKEN_BYTES = 16  # a text with more bytes for each token of the context is looked at more closely
GAP = "\n[…]\n"  # shows the model where a message was shortened
LEAST = 16  # tokens; a message is not shortened to less
MESSAGE_BYTES = 16  # around each message, in most templates
_TRIED = {"middle": "Even with messages shortened: ", "oldest_messages": "Even without the oldest messages: "}


@dataclass(frozen=True, slots=True)
class Prompt:
    """`truncated`: prompt tokens left out; an estimate where the text was too long to be tokenized whole."""

    tokens: list[int]
    truncated: int = 0


class PromptBuilder:
    """Builds prompts for one model and contexts of `n_ctx` tokens."""

    def __init__(self, model: Model, n_ctx: int) -> None:
        self._model, self._n_ctx = model, n_ctx
        self._most = n_ctx * PLAUSIBLE_TOKEN_BYTES // 2  # bytes to which longer texts are cut before they are tokenized
        self._template, self._no_chat = _chat_template(model)

    @property
    def has_chat_template(self) -> bool:
        return self._template is not None

    def build(self, request: GenerateRequest) -> Prompt:
        """The prompt of a request.

        Raises:
            InvalidRequest: the prompt is empty, the template refuses the messages, or `truncate` does not apply.
            ContextLengthExceeded: the prompt leaves no room for an answer, also when shortened as was asked.
        """
        try:
            return self._built(request)
        except ContextLengthExceeded as error:
            if request.truncate is None:
                raise
            raise UmlError.from_dict(error.to_dict() | {"message": _TRIED[request.truncate] + error.message}) from error

    def _built(self, request: GenerateRequest) -> Prompt:
        param = "messages" if request.prompt is None else "prompt"
        prompt = self._from_messages(request) if request.prompt is None else self._raw(request, request.prompt)
        if not prompt.tokens:
            raise InvalidRequest("The prompt is empty.", param=param)
        if len(prompt.tokens) >= self._n_ctx:
            raise self._too_long(len(prompt.tokens), param)
        return prompt

    def _budget(self, request: GenerateRequest) -> int:
        """Tokens for a shortened prompt: what `max_tokens` leaves, at least half the context; else three quarters."""
        asked = request.params.max_tokens
        room = self._n_ctx // 4 if asked is None else min(asked, self._n_ctx // 2)
        return self._n_ctx - max(1, room)

    # --- raw prompts ---

    def _raw(self, request: GenerateRequest, prompt: str | tuple[int, ...]) -> Prompt:
        if request.truncate == "oldest_messages":
            raise InvalidRequest(
                "A raw prompt has no messages to leave out: truncate it in the middle.", param="truncate"
            )
        tokens, full = self._tokenized(prompt, cut=request.truncate is not None)
        if request.truncate is not None and len(tokens) > (budget := self._budget(request)):
            tokens = tokens[: (budget + 1) // 2] + tokens[len(tokens) - budget // 2 :]
        return Prompt(tokens, full - len(tokens))

    def _tokenized(self, prompt: str | tuple[int, ...], cut: bool) -> tuple[list[int], int]:
        """The tokens, and how many the whole prompt has: more, where too long a text was cut by its bytes."""
        if not isinstance(prompt, str):
            return self._checked(prompt, cut), len(prompt)
        text = _without_middle(prompt, self._most) if cut else prompt
        self._check_size(_size(text), "prompt")
        tokens = self._model.tokenize(text, add_special=True, parse_special=True)
        return tokens, _scaled(len(tokens), len(prompt), len(text))

    def _checked(self, prompt: tuple[int, ...], cut: bool) -> list[int]:
        if len(prompt) >= self._n_ctx and not cut:
            raise self._too_long(len(prompt), "prompt")
        if any(not 0 <= token < self._model.n_vocab for token in prompt):
            raise InvalidRequest(f"A token is outside the vocabulary of {self._model.n_vocab}.", param="prompt")
        return list(prompt)

    # --- messages ---

    def _from_messages(self, request: GenerateRequest) -> Prompt:
        match request.truncate:
            case "middle":
                return self._without_middles(request.messages, self._budget(request))
            case "oldest_messages":
                return self._without_oldest(request.messages, self._budget(request))
        return Prompt(self._rendered(request.messages))

    def _rendered(self, messages: Sequence[Message]) -> list[int]:
        if self._template is None:
            raise InvalidRequest(self._no_chat, param="messages")
        self._check_size(sum(_size(message.content) for message in messages), "messages")
        text = self._template.render(guard(messages, self._model.controls))
        self._check_size(_size(text), "messages")
        if self._model.adds_bos:
            text = text.removeprefix(self._model.bos)  # the tokenizer adds it
        tokens: list[int] = []
        for piece in text.split(MARK):
            tokens += self._model.tokenize(piece, add_special=not tokens, parse_special=True)
        return tokens

    def _without_middles(self, messages: tuple[Message, ...], budget: int) -> Prompt:
        """Cuts the longest messages down to one level, which is as high as the budget allows."""
        most = _level([_size(message.content) for message in messages], self._most)
        bounded = [replace(m, content=_without_middle(m.content, most, GAP)) for m in messages]
        tokens = self._rendered(bounded)
        full = _scaled(len(tokens), _length(messages), _length(bounded))
        if len(tokens) <= budget:
            return Prompt(tokens, full - len(tokens))
        texts = [_Tokenized(self._model, message.content) for message in bounded]
        level = _level([text.n_tokens for text in texts], sum(t.n_tokens for t in texts) + budget - len(tokens))
        gap = len(self._model.tokenize(GAP, add_special=False, parse_special=False))
        while True:
            level = max(level, LEAST)
            contents = [text.cut(level, gap) for text in texts]
            tokens = self._rendered([replace(m, content=c) for m, c in zip(bounded, contents, strict=True)])
            if len(tokens) <= budget or level == LEAST:
                return Prompt(tokens, max(0, full - len(tokens)))
            # Pieces that meet are tokenized in another way than the whole was: a few tokens more, or less.
            level -= -(-(len(tokens) - budget) // max(1, sum(text.n_tokens > level for text in texts)))

    def _without_oldest(self, messages: tuple[Message, ...], budget: int) -> Prompt:
        """Leaves out whole turns, which begin with a message of the user; never the last one, no system message."""
        starts = [0, *(i for i, message in enumerate(messages) if message.role == "user" and i > 0)]

        def kept(start: int) -> list[Message]:
            return [m for i, m in enumerate(messages) if i >= start or m.role in ("system", "developer")]

        def fits(start: int) -> bool:
            return len(self._rendered(kept(start))) <= budget

        first = _first(starts, lambda start: _length(kept(start)) <= self._most)
        whole = self._rendered(kept(starts[first]))
        full = _scaled(len(whole), _length(messages), _length(kept(starts[first])))
        if len(whole) <= budget:
            return Prompt(whole, full - len(whole))
        start = starts[first + _first(starts[first:], fits)]
        tokens = self._rendered(kept(start))
        return Prompt(tokens, max(0, full - len(tokens)))

    # --- sizes ---

    def _check_size(self, size: int, param: str) -> None:
        """Refuse a text that cannot fit by its length alone: tokenizing megabytes would hold up everybody's answers."""
        if size > self._n_ctx * PLAUSIBLE_TOKEN_BYTES:
            least = -(-size // self._model.longest_piece)
            if least >= self._n_ctx:
                raise self._too_long(least, param)

    def _too_long(self, tokens: int, param: str) -> ContextLengthExceeded:
        trained = self._model.info.n_ctx_train
        return ContextLengthExceeded(tokens, self._n_ctx, param, trained if trained > self._n_ctx else None)


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


def _chat_template(model: Model) -> tuple[ChatTemplate | None, str]:
    """The model's template, or why it has none: such a model still completes prompts."""
    if model.chat_template is None:
        return None, "This model has no chat template. Send a prompt to completions instead."
    try:
        return ChatTemplate(model.chat_template, model.bos, model.eos), ""
    except InvalidRequest as error:
        return None, f"{error.message} Send a prompt to completions instead."


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))


def _length(messages: Iterable[Message]) -> int:
    return sum(_size(message.content) + MESSAGE_BYTES for message in messages)


def _scaled(n_tokens: int, whole: int, part: int) -> int:
    return n_tokens if whole == part else max(n_tokens, n_tokens * whole // max(1, part))


def _without_middle(text: str, most: int, gap: str = "") -> str:
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
