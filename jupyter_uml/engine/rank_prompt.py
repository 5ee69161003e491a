"""A question and a document as the one text that a ranking model reads."""

from __future__ import annotations

import re

import llama_cpp

from jupyter_uml.engine.model import Model


def rank_prompt(model: Model, query: str, document: str) -> list[int]:
    """Tokens of the pair: by the file's template named `rerank`, else joined as cross-encoders were trained to read."""
    source = llama_cpp.llama_model_chat_template(model.handle, b"rerank")
    return _from_template(model, source.decode(), query, document) if source else _joined(model, query, document)


def _from_template(model: Model, template: str, query: str, document: str) -> list[int]:
    tokens: list[int] = []
    texts = {"{query}": query, "{document}": document}
    for part in re.split(r"({query}|{document})", template):
        # Only the template's own text may hold control tokens: a document that writes one down must not end the prompt.
        tokens += model.tokenize(texts.get(part, part), add_special=False, parse_special=part not in texts)
    return tokens


def _joined(model: Model, query: str, document: str) -> list[int]:
    first = model.tokenize(query, add_special=True, parse_special=False)
    second = model.tokenize(document, add_special=True, parse_special=False)
    if llama_cpp.llama_vocab_get_add_bos(model.vocab):
        second = second[1:]
    # BERT's tokenizer ends each text with the separator; others end it with EOS, if at all.
    if llama_cpp.llama_vocab_get_add_sep(model.vocab) and model.metadata("tokenizer.ggml.model") != "bert":
        first = [*first, llama_cpp.llama_vocab_sep(model.vocab)]
    return first + second
