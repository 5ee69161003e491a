"""Grammars of required calls over real vocabularies: in some of them the tags are tokens of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import llama_cpp
import pytest

from jupyter_uml.engine.vocabulary import Vocabulary
from jupyter_uml.types import Grammar
from tests.engine.formats.test_round_trips import TOOLS, TURNS, rendered
from tests.engine.llama_sources import vocabulary_path


class VocabularyFile:
    """As much of a `Model` as a `Vocabulary` needs, from a file without weights."""

    def __init__(self, path: Path) -> None:
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = True
        self.handle = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        self.vocab = llama_cpp.llama_model_get_vocab(self.handle)
        self.n_vocab = llama_cpp.llama_vocab_n_tokens(self.vocab)

    def tokenize(self, text: str) -> list[int]:
        data = text.encode()
        tokens = (llama_cpp.llama_token * (len(data) + 8))()
        count = llama_cpp.llama_tokenize(self.vocab, data, len(data), tokens, len(tokens), False, True)
        return list(tokens[:count])


@pytest.fixture(scope="module", params=["llama-bpe", "qwen35", "gemma-4", "command-r", "deepseek-llm"])
def file(request: pytest.FixtureRequest) -> Iterator[VocabularyFile]:
    file = VocabularyFile(vocabulary_path(request.param))
    file.name = request.param  # type: ignore[attr-defined]
    yield file
    llama_cpp.llama_model_free(file.handle)


_TEMPLATES = {
    "llama-bpe": ["meta-llama-Llama-3.1-8B-Instruct", "NousResearch-Hermes-3-Llama-3.1-8B-tool_use"],
    "qwen35": ["Qwen-Qwen3-0.6B", "Qwen3-Coder", "Qwen3.5-4B"],
    "gemma-4": ["google-gemma-4-31B-it"],
    "command-r": ["CohereForAI-c4ai-command-r7b-12-2024-tool_use"],
    "deepseek-llm": ["deepseek-ai-DeepSeek-V3.1", "mistralai-Ministral-3-14B-Reasoning-2512"],
}


def test_the_tokens_of_a_required_call_are_allowed(file: VocabularyFile) -> None:
    words = Vocabulary(file)  # type: ignore[arg-type]
    for name in _TEMPLATES[file.name]:  # type: ignore[attr-defined]
        turn = rendered(name, TURNS["call"])
        source = turn.format.calls(TOOLS, turn.opening, words.word, many=True, free=False)
        matcher = words.compiled(Grammar("lark", source)).deep_copy()
        tokens = file.tokenize(turn.text.strip())
        assert matcher.try_consume_tokens(tokens) == len(tokens)
        assert matcher.is_accepting()
        other = words.compiled(Grammar("lark", source)).deep_copy()
        assert other.try_consume_tokens(file.tokenize("The weather is fine")) < 2
