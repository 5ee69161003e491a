"""From a request to the tokens of its prompt: chat template, tokenizer, and what is left out where a request asks so.

A prompt that does not fit is refused with both numbers, unless the request names a way of shortening it. It is then
shortened so that the answer has room too. Whatever is sent, only about a context's worth of text is ever tokenized.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from jupyter_uml.engine.chat import MARK, ChatTemplate, Rendered, guard, guard_tools
from jupyter_uml.engine.expectation import Expectation, Expectations, offered
from jupyter_uml.engine.formats.detect import chat_format
from jupyter_uml.engine.gap import GapPrompts
from jupyter_uml.engine.guard import guard_options
from jupyter_uml.engine.image_rows import ImagePlaces, Piece, place
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.shared_beginnings import SharedBeginnings
from jupyter_uml.engine.shortening import Shortening, Turns, length_of, scaled, size_of, without_middle
from jupyter_uml.engine.sight import Sight
from jupyter_uml.errors import ContextLengthExceeded, InvalidRequest, UmlError
from jupyter_uml.types import Gap, GenerateRequest, Grammar, Message, ModelInfo

PLAUSIBLE_TOKEN_BYTES = 16  # a text with more bytes for each token of the context is looked at more closely
_TRIED = {"middle": "Even with messages shortened: ", "oldest_messages": "Even without the oldest messages: "}


@dataclass(frozen=True, slots=True)
class Prompt:
    """`truncated`: prompt tokens left out; an estimate where the text was too long to be tokenized whole."""

    tokens: list[int]
    truncated: int = 0
    expectation: Expectation = field(default_factory=Expectation, compare=False)
    images: ImagePlaces = field(default_factory=ImagePlaces, compare=False)


class PromptBuilder:
    """Builds prompts for one model and contexts of `n_ctx` tokens."""

    def __init__(self, model: Model, n_ctx: int, sight: Sight | None = None) -> None:
        self._model, self._n_ctx = model, n_ctx
        self._sight = sight or Sight(None)
        self._most = n_ctx * PLAUSIBLE_TOKEN_BYTES // 2  # bytes to which longer texts are cut before they are tokenized
        self._template, self._no_chat = _chat_template(model)
        takes = self._template.takes if self._template else lambda _: False
        self._expectations = Expectations(model, chat_format(model.tools_template or model.chat_template), takes)
        self.spell = self._expectations.spell
        self._gaps = GapPrompts(model, self._most)
        self._texts = SharedBeginnings(
            lambda text, begins: model.tokenize(text, add_special=begins, parse_special=True)
        )

    def describe(self, info: ModelInfo) -> ModelInfo:
        """With what follows from the chat template."""
        chat = self._expectations.format
        return replace(
            info,
            has_chat_template=self._template is not None,
            chat_format=chat.name,
            can_reason=chat.reasons,
            can_see=self._sight.sees,
            can_infill=self._model.infill is not None,
            template_sha256=self._template_sha256() if self._template else None,
        )

    def _template_sha256(self) -> str:
        """Of both templates one behind the other, where there are two."""
        sources = (self._model.chat_template, self._model.tools_template)
        return sha256("".join(filter(None, sources)).encode()).hexdigest()

    def grammar(self, request: GenerateRequest) -> Grammar | None:
        """What the raw answer must look like. Slow to be compiled, so it can be asked for beforehand.

        Raises:
            InvalidRequest: as in `build`.
        """
        if request.prompt is not None:
            return request.params.grammar
        if request.params.grammar is None and not request.tools:
            return None
        return self._expectations.grammar(request, self._render(request.messages, request).opening)

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
        if request.gap is not None:
            param, prompt = "prefix", self._with_gap(request, request.gap)
        elif request.prompt is not None:
            param, prompt = "prompt", self._raw(request, request.prompt)
        else:
            param, prompt = "messages", self._from_messages(request)
        if not prompt.tokens:
            raise InvalidRequest("The prompt is empty.", param=param)
        if prompt.images.end == len(prompt.tokens):
            raise InvalidRequest("The prompt ends with an image. Let text follow it.", param=param)
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
        if request.suffix is not None:
            if request.truncate is not None:
                raise InvalidRequest("A prompt with a suffix cannot be shortened.", param="truncate")
            return Prompt(
                self._infill(prompt, request.suffix, request.principal),
                expectation=Expectation(grammar=request.params.grammar),
            )
        tokens, full = self._tokenized(prompt, request.principal, cut=request.truncate is not None)
        if request.truncate is not None and len(tokens) > (budget := self._budget(request)):
            tokens = tokens[: (budget + 1) // 2] + tokens[len(tokens) - budget // 2 :]
        return Prompt(tokens, full - len(tokens), Expectation(grammar=request.params.grammar))

    def _infill(self, prompt: str | tuple[int, ...], suffix: str, principal: str) -> list[int]:
        """The beginning, the ending, then the model's turn to write what stands between them."""
        marks = self._model.infill
        if marks is None:
            raise InvalidRequest(
                "This model cannot fill in the middle: its vocabulary has no tokens for it. Leave suffix out.",
                param="suffix",
            )
        before, after, middle = marks
        self._check_size(size_of(suffix), "suffix")
        beginning, _ = self._tokenized(prompt, principal, cut=False)
        ending = self._model.tokenize(suffix, add_special=False, parse_special=False)
        bos = [beginning.pop(0)] if isinstance(prompt, str) and self._model.adds_bos else []
        return [*bos, before, *beginning, after, *ending, middle]

    def _tokenized(self, prompt: str | tuple[int, ...], principal: str, *, cut: bool) -> tuple[list[int], int]:
        """The tokens, and how many the whole prompt has: more, where too long a text was cut by its bytes."""
        if not isinstance(prompt, str):
            return self._checked(prompt, cut), len(prompt)
        text = without_middle(prompt, self._most) if cut else prompt
        self._check_size(size_of(text), "prompt")
        tokens = self._texts.tokenize(text, True, principal)
        return tokens, scaled(len(tokens), len(prompt), len(text))

    def _checked(self, prompt: tuple[int, ...], cut: bool) -> list[int]:
        if len(prompt) >= self._n_ctx and not cut:
            raise self._too_long(len(prompt), "prompt")
        if any(not 0 <= token < self._model.n_vocab for token in prompt):
            raise InvalidRequest(f"A token is outside the vocabulary of {self._model.n_vocab}.", param="prompt")
        return list(prompt)

    def _with_gap(self, request: GenerateRequest, gap: Gap) -> Prompt:
        def render(messages: Sequence[Message]) -> list[int]:
            return place(self._pieces(self._render(messages, request).text, (), request.principal))[0]

        room = min(self._budget(request), self._n_ctx - 1)
        return Prompt(*self._gaps.build(gap, room, render if self._template else None))

    # --- messages ---

    def _from_messages(self, request: GenerateRequest) -> Prompt:
        self._expectations.check(request)
        self._sight.check(request)

        def render(messages: Sequence[Message]) -> Turns:
            rendered = self._render(messages, request)
            tokens, images = place(
                self._pieces(rendered.text, [image for m in messages for image in m.images], request.principal)
            )
            return Turns(tokens, rendered.opening, images)

        shortening = Shortening(self._model, render, self._budget(request), self._most)
        match request.truncate:
            case "middle":
                turns, missing = shortening.without_middles(request.messages)
            case "oldest_messages":
                turns, missing = shortening.without_oldest(request.messages)
            case None:
                turns, missing = render(request.messages), 0
        expectation = self._expectations.of(request, turns.opening, self._n_ctx - len(turns.tokens))
        return Prompt(turns.tokens, missing, expectation, turns.images)

    def _render(self, messages: Sequence[Message], request: GenerateRequest) -> Rendered:
        if self._template is None:
            raise InvalidRequest(self._no_chat, param="messages")
        self._check_size(length_of(messages), "messages")
        tools = "".join(text for tool in request.tools for text in (tool.name, tool.description, tool.parameters))
        self._check_size(size_of(tools), "tools")
        controls = self._expectations.controls
        rendered = self._template.render(
            guard(self._sight.numbered(messages), controls),
            tools=guard_tools(offered(request), controls),
            options=guard_options(self._expectations.options(request), controls),
        )
        self._check_size(size_of(rendered.text), "messages")
        end = self._expectations.closing(request, rendered.opening)
        return replace(rendered, text=rendered.text + end, opening=rendered.opening + end)

    def _pieces(self, text: str, images: Sequence[bytes], principal: str) -> Iterator[Piece]:
        if self._model.adds_bos:
            text = text.removeprefix(self._model.bos)  # the tokenizer adds it
        begins = True
        for part in self._sight.split(text, images):
            if not isinstance(part, str):
                yield from part
                continue
            for piece in part.split(MARK):
                yield self._texts.tokenize(piece, begins, principal)
                begins = False

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


def _chat_template(model: Model) -> tuple[ChatTemplate | None, str]:
    """The model's template, or why it has none: such a model still completes prompts."""
    if model.chat_template is None:
        return None, "This model has no chat template. Send a prompt to completions instead."
    try:
        return ChatTemplate(model.chat_template, model.bos, model.eos, model.tools_template), ""
    except InvalidRequest as error:
        return None, f"{error.message} Send a prompt to completions instead."
