"""How tokens are written down: the pieces of a text's tokens, joined, are the text again."""

from __future__ import annotations

from collections.abc import Sequence

import llama_cpp

from jupyter_uml.engine.model import Model

_MARKS = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED


class Spelling:
    """The bytes of one model's tokens, those of control tokens written out."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._adds_space = _adds_space(model)

    def written(self, token: int) -> bytes:
        """A token's bytes; a control token's are its name, such as `<|im_end|>`."""
        return self._model.piece(token) or self._model.token_text(token).encode()

    def pieces(self, tokens: Sequence[int]) -> tuple[bytes, ...]:
        """The bytes of each token, without the space that some tokenizers put before a text."""
        pieces = [self.written(token) for token in tokens]
        if self._adds_space:
            begins = True
            for place, token in enumerate(tokens):
                marks = bool(llama_cpp.llama_vocab_get_attr(self._model.vocab, token) & _MARKS)
                if begins and not marks:
                    pieces[place] = pieces[place].removeprefix(b" ")
                begins = marks
        return tuple(pieces)


def _adds_space(model: Model) -> bool:
    """Whether the tokenizer puts a space before a text, and behind a control token: SentencePiece's do by default."""
    default = {"llama": "true", "bert": "true"}.get(model.metadata("tokenizer.ggml.model") or "", "false")
    return (model.metadata("tokenizer.ggml.add_space_prefix") or default) == "true"
