"""The demo model: the shipped file is the recorded one, llama.cpp reads it as the training code meant it."""

import hashlib
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from llama_cpp import Llama

from jupyter_uml.demo import demo_model_path, tooltalk
from jupyter_uml.demo.corpus import CHAT_TEMPLATE, Conversation, Corpus, Renderer, draw_texts, single
from jupyter_uml.demo.evaluate import Examiner
from jupyter_uml.demo.templates import Template, normalise

MAX_BYTES = 12_000_000
HELDOUT_FLOOR = 90.0


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(demo_model_path().with_suffix(".json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def llama() -> Iterator[Llama]:
    model = Llama(str(demo_model_path()), n_ctx=1024, n_threads=1, n_threads_batch=1, verbose=False)
    yield model
    model.close()


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus()


def greedy(llama: Llama, prompt: str) -> list[int]:
    tokens: list[int] = []
    for token in llama.generate(llama.tokenize(prompt.encode(), add_bos=False, special=True), temp=0.0):
        if token == llama.token_eos() or len(tokens) == 128:
            break
        tokens.append(token)
    return tokens


def test_file_is_the_recorded_one_and_small(card: dict[str, Any]) -> None:
    content = demo_model_path().read_bytes()
    assert hashlib.sha256(content).hexdigest() == card["sha256"]
    assert len(content) == card["bytes"] <= MAX_BYTES


def test_metadata_names_the_model_its_licence_and_template(llama: Llama) -> None:
    assert llama.metadata["general.name"] == "jupyter_uml demo"
    assert llama.metadata["general.license"] == "BSD-3-Clause"
    assert "demo model" in llama.metadata["general.description"]
    assert llama.metadata["tokenizer.chat_template"] == CHAT_TEMPLATE


def test_greedy_output_equals_pytorchs(card: dict[str, Any], llama: Llama) -> None:
    assert len(card["greedy"]) == 20
    for record in card["greedy"]:
        assert greedy(llama, record["prompt"]) == record["ids"], record["prompt"]


def test_tokenization_equals_the_trainers(card: dict[str, Any], llama: Llama) -> None:
    for check in card["tokenization"]:
        ids = llama.tokenize(check["text"].encode(), add_bos=False, special=True)
        assert ids == check["ids"], check["text"]
        assert llama.detokenize(ids, special=True).decode() == check["text"]


def test_tool_tags_are_visible_and_markers_are_not(llama: Llama) -> None:
    ids = llama.tokenize(b"<tool_call>\nx\n</tool_call><|im_end|>", add_bos=False, special=True)
    assert llama.detokenize(ids) == b"<tool_call>\nx\n</tool_call>"


def test_accuracy_on_held_out_questions(corpus: Corpus) -> None:
    score = Examiner(demo_model_path(), corpus).heldout()
    assert score.asked >= 4 * len(corpus.answers)
    assert score.percent >= HELDOUT_FLOOR


def test_every_intent_has_an_answer_wordings_and_held_out_questions(corpus: Corpus) -> None:
    assert set(corpus.answers) == set(corpus.phrasings) == set(corpus.heldout)
    assert all(len(templates) > 20 for templates in corpus.phrasings.values())
    assert {rule.answer for rule in corpus.follow_ups} <= {*corpus.answers, "previous"}
    assert {intent for rule in corpus.follow_ups for intent in rule.after} <= set(corpus.answers)


def test_questions_that_are_held_out_are_never_drawn(corpus: Corpus) -> None:
    """Where a template could expand to a held-out question, drawing refuses that expansion."""
    possible = [
        (intent, template, question)
        for intent, templates in corpus.phrasings.items()
        for template in templates
        for question in corpus.heldout[intent]
        if template.matches(question)
    ]
    narrow = Corpus()
    rng = random.Random(0)
    for intent, template, question in possible:
        narrow.set_phrasings(intent, [template])
        for _ in range(20):
            try:
                drawn = narrow.draw_question(intent, rng, noise=False)
            except ValueError:
                break
            assert normalise(drawn) != normalise(question)


def test_follow_ups_and_tool_questions_hold_no_held_out_question(corpus: Corpus) -> None:
    templates = [template for rule in corpus.follow_ups for template in rule.say]
    for question in (question for questions in corpus.heldout.values() for question in questions):
        assert not any(template.matches(question) for template in templates), question
    for name in tooltalk.TOOL_NAMES:
        for question in tooltalk.heldout_questions(name, {}):
            assert not any(template.matches(question) for template in tooltalk.templates(name)), question


def test_corpus_is_the_same_for_the_same_seed() -> None:
    first, again, other = (draw_texts(Corpus(), 60, seed) for seed in ("a", "a", "b"))
    assert first == again != other


def test_a_pattern_matches_every_expansion_and_nothing_else() -> None:
    template = Template("{how} (load|open (a|the)) [big] model", {"how": [Template("how (do|can) i", {})]})
    rng = random.Random(1)
    assert template.count == 2 * 3 * 2
    assert all(template.matches(template.expand(rng)) for _ in range(50))
    assert template.matches("How do I open THE model?")
    assert not template.matches("how do i close the model")


def test_template_sources_must_balance() -> None:
    for source in ("(a|b", "a)", "[a", "{nothing}"):
        with pytest.raises(ValueError, match="template"):
            Template(source, {})


def test_conversations_render_as_the_server_renders_them() -> None:
    tools = [tooltalk.tool_schema("get_time", random.Random(3))]
    messages = [
        {"role": "system", "content": "Be concise."},
        {"role": "user", "content": "time in Paris"},
        tooltalk.call_message("get_time", {"city": "Paris"}),
        {"role": "tool", "content": '{"time": "14:30"}'},
    ]
    assert Renderer()(Conversation(messages, tools), prompt=True) == (
        "<|im_start|>system\nBe concise.\n\n# Tools\n<tools>\n" + json.dumps(tools[0]) + "\n</tools><|im_end|>\n"
        "<|im_start|>user\ntime in Paris<|im_end|>\n"
        '<|im_start|>assistant\n<tool_call>\n{"name": "get_time", "arguments": {"city": "Paris"}}\n'
        "</tool_call><|im_end|>\n"
        '<|im_start|>user\n<tool_response>\n{"time": "14:30"}\n</tool_response><|im_end|>\n'
        "<|im_start|>assistant\n"
    )
    assert Renderer()(single("Hi"), prompt=True) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
