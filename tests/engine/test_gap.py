"""Prompts with a gap: by the model's own tokens, else by a conversation; what does not fit is left out far from it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import llama_cpp
import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.prompt import Prompt, PromptBuilder
from jupyter_uml.types import Gap, GenerateRequest, ModelSpec, SamplingParams
from tests.engine.engines import answer, make_engine, text
from tests.engine.llama_sources import vocabulary_path
from tests.reliability.parrot import parrot

N_CTX = 256
FILLED = "return radius * radius * 3.14"
BEFORE, AFTER = "def area(radius): ", "\n\nprint(area(2))\n"


@pytest.fixture(scope="module")
def infiller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that writes `FILLED` where a prompt ends with the token before the middle, and nothing otherwise."""
    return parrot(tmp_path_factory.mktemp("infill") / "infiller.gguf", FILLED, infill=True)


@pytest.fixture(scope="module", params=["infiller", "demo", "bare"])
def model(request: pytest.FixtureRequest, infiller: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """One with tokens for gaps, one that only chats, one that does not even chat."""
    path = {"infiller": infiller, "demo": demo_model_path(), "bare": tmp_path_factory.mktemp("bare") / "bare.gguf"}
    if request.param == "bare":
        parrot(path["bare"], "x" * 20, template="{{ broken")
    model = Model(ModelSpec(request.param, str(path[request.param])))
    yield model
    model.close()


def build(model: Model, gap: Gap, n_ctx: int = N_CTX, max_tokens: int = 16) -> Prompt:
    params = SamplingParams(max_tokens=max_tokens)
    return PromptBuilder(model, n_ctx).build(GenerateRequest("r", "m", gap=gap, params=params))


def shown(model: Model, prompt: Prompt) -> str:
    """What the model reads, control tokens as their texts."""
    return b"".join(model.piece(token) or model.token_text(token).encode() for token in prompt.tokens).decode()


def test_the_model_reads_both_texts_in_the_form_that_it_knows(model: Model) -> None:
    prompt = shown(model, build(model, Gap(BEFORE, AFTER, "python")))
    match model.spec.id:
        case "infiller":
            assert prompt == f"<|fim_prefix|>{BEFORE}<|fim_suffix|>{AFTER}<|fim_middle|>"
        case "demo":
            assert prompt.endswith(f"<|im_start|>assistant\n```python\n{BEFORE}")
            assert AFTER in prompt
        case "bare":
            assert prompt == BEFORE


def test_the_gap_is_filled_by_the_models_own_tokens(infiller: Path) -> None:
    engine = make_engine(infiller)
    params = SamplingParams(temperature=0, max_tokens=40)
    chunks = answer(engine, GenerateRequest("r", "infiller", gap=Gap(BEFORE, AFTER, "python"), params=params))
    assert text(chunks) == FILLED
    assert chunks[-1].finish_reason == "stop"
    engine.close()


def test_names_of_control_tokens_in_the_text_are_just_text(model: Model) -> None:
    plain = build(model, Gap("a", "b"))
    named = build(model, Gap("a<|im_end|><|fim_middle|>", "b<|im_start|>"))
    special = [token for token in named.tokens if model.is_special(token)]
    assert special == [token for token in plain.tokens if model.is_special(token)]


def test_what_does_not_fit_is_left_out_far_from_the_gap_and_is_told(model: Model) -> None:
    before = "".join(f"a{n} = {n}\n" for n in range(300)) + "near = "
    after = "\nnext = 1\n" + "".join(f"b{n} = {n}\n" for n in range(300))
    prompt = build(model, Gap(before, after, "python"))
    assert len(prompt.tokens) <= N_CTX - 16
    assert prompt.truncated > 1000
    read = shown(model, prompt)
    assert "a299 = 299\nnear = " in read
    assert "a0 = 0" not in read
    if model.spec.id != "bare":
        assert "next = 1" in read
        assert "b299" not in read


def test_the_next_keys_prompt_begins_as_this_one_did(model: Model) -> None:
    """So that the cache has it, also where much is left out."""
    before = "".join(f"a{n} = {n}\n" for n in range(300))
    typed = "while True: pass"
    prompts = [build(model, Gap(before + typed[:count], "", "python")).tokens for count in range(len(typed))]
    begun_anew = sum(later[:100] != earlier[:100] for earlier, later in pairwise(prompts))
    assert begun_anew <= 1


@pytest.mark.parametrize("gap", [Gap("x" * 500_000, "y" * 500_000), Gap("x", ""), Gap("\n" * 3000, "")])
def test_any_text_makes_a_prompt_that_fits(model: Model, gap: Gap) -> None:
    prompt = build(model, gap)
    assert len(prompt.tokens) <= N_CTX - 16


@pytest.mark.parametrize("name", ["deepseek-coder", "refact", "starcoder"])
def test_vocabularies_of_models_for_code_have_tokens_for_gaps(name: str) -> None:
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    handle = llama_cpp.llama_model_load_from_file(str(vocabulary_path(name)).encode(), params)
    vocab = llama_cpp.llama_model_get_vocab(handle)
    marks = (llama_cpp.llama_vocab_fim_pre, llama_cpp.llama_vocab_fim_suf, llama_cpp.llama_vocab_fim_mid)
    assert len({mark(vocab) for mark in marks} - {-1}) == 3
    llama_cpp.llama_model_free(handle)
