"""What all samplers of one model share. Each part is made when it is first needed: the grammars' tokenizer takes a
second and more where the vocabulary is large."""

from __future__ import annotations

import ctypes
import json
import re
from collections.abc import Callable
from functools import cached_property, lru_cache
from weakref import WeakKeyDictionary

import llama_cpp
from llguidance import LLMatcher, LLTokenizer

from jupyter_uml.engine.grammar import compile_grammar
from jupyter_uml.engine.model import Model
from jupyter_uml.types import Grammar

_COMPILED = 16  # grammars that are kept ready
_LONGEST = 1 << 10  # bytes of a token; longer ones are never written under a grammar
_MARK = b"\xff"


class Vocabulary:
    """The tokens of a model, as far as grammars and forbidden tokens are concerned."""

    def __init__(self, model: Model) -> None:
        self._vocab = model.vocab
        self.size = model.n_vocab
        # One schema comes with each row of a table: it is compiled for the first of them.
        self.compiled: Callable[[Grammar], LLMatcher] = lru_cache(_COMPILED)(self._compile)

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Tokens that end a generation."""
        return tuple(token for token in range(self.size) if llama_cpp.llama_vocab_is_eog(self._vocab, token))

    @cached_property
    def suppressed(self) -> tuple[int, ...]:
        """Tokens of which the model's file says that they are never to be generated."""
        count = ctypes.c_int32(0)
        tokens = llama_cpp.llama_vocab_get_suppress_tokens(self._vocab, ctypes.byref(count))
        return tuple(tokens[: count.value]) if tokens and count.value else ()

    @cached_property
    def tokenizer(self) -> LLTokenizer:
        tokens = [self._spelling(token) for token in range(self.size)]
        if not self.ends:
            tokens.append(b"")  # grammars need a token that ends them; this one is never sampled
        return LLTokenizer.from_llamacpp(  # type: ignore[attr-defined, no-any-return]
            tokens=tokens,
            vocab_ptr=self._vocab,
            tokenize_fptr=ctypes.cast(llama_cpp.llama_cpp._lib.llama_tokenize, ctypes.c_void_p).value,
            eos_token=list(self.ends) or self.size,
            slices=None,
        )

    def word(self, text: str) -> str:
        """The Lark terminals of a literal text: control tokens and tags by their numbers, the rest quoted."""
        parts = self._marked_pattern.split(text) if self.marked else [text]
        return " ".join(
            f"<[{self.marked[part]}]>" if part in self.marked else json.dumps(part, ensure_ascii=False)
            for part in parts
            if part
        )

    @cached_property
    def marked(self) -> dict[str, int]:
        """The tokens that only grammars can name, by their texts."""
        spellings = ((self._spelling(token), token) for token in range(self.size))
        return {text[1:].decode(errors="replace"): n for text, n in spellings if text[:1] == _MARK and len(text) > 1}

    @cached_property
    def _marked_pattern(self) -> re.Pattern[str]:
        return re.compile("(" + "|".join(map(re.escape, sorted(self.marked, key=len, reverse=True))) + ")")

    def _spelling(self, token: int) -> bytes:
        """A token's bytes. Those of a control token begin with one that is in no text: only grammars can name it."""
        buffer = ctypes.create_string_buffer(_LONGEST)  # its own: several threads ask
        length = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, _LONGEST, 0, True)
        text = buffer.raw[: max(0, length)]
        kind = llama_cpp.llama_vocab_get_attr(self._vocab, token)
        tag = kind & llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED and text.startswith(b"<") and text.endswith(b">")
        return _MARK + text if tag or kind & llama_cpp.LLAMA_TOKEN_ATTR_CONTROL else text

    def _compile(self, grammar: Grammar) -> LLMatcher:
        return compile_grammar(self.tokenizer, grammar)


def vocabulary(model: Model) -> Vocabulary:
    """The one `Vocabulary` of a model; it goes with the model."""
    found = _vocabularies.get(model)
    if found is None:
        found = _vocabularies[model] = Vocabulary(model)
    return found


_vocabularies: WeakKeyDictionary[Model, Vocabulary] = WeakKeyDictionary()
