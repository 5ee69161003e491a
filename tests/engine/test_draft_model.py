"""A draft model on the real demo model: as its own draft, and as a worse one."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.engine.context import Context, Row
from jupyter_uml.engine.draft_model import DraftModel
from jupyter_uml.engine.model import Model
from jupyter_uml.errors import ModelLoadFailed
from jupyter_uml.types import EffectiveSettings, ModelSpec

SETTINGS = EffectiveSettings(n_ctx=512, n_parallel=3, n_threads=1, n_gpu_layers=0, kv_type="f16")
QUESTIONS = ["How do I load a model?", "Who are you?", "What is GGUF?"]


@pytest.fixture(scope="module")
def target() -> Iterator[Model]:
    model = Model(ModelSpec("demo", str(demo_model_path())))
    yield model
    model.close()


@pytest.fixture
def draft(target: Model) -> Iterator[DraftModel]:
    model = DraftModel(str(demo_model_path()), target, SETTINGS)
    yield model
    model.close()


def prompt(target: Model, question: str) -> list[int]:
    text = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    return target.tokenize(text, add_special=True, parse_special=True)


def greedy(target: Model, tokens: list[int], count: int) -> list[int]:
    """What the target says, token by token."""
    context = Context(target, SETTINGS)
    try:
        answer, ahead, at = list[int](), list(tokens), 0
        while len(answer) < count:
            logits = context.decode([Row(0, at, ahead, 1)])
            assert logits
            at += len(ahead)
            ahead = [int(logits[0].argmax())]
            answer += ahead
        return answer
    finally:
        context.close()


def test_a_model_is_its_own_best_draft(target: Model, draft: DraftModel) -> None:
    for question in QUESTIONS:
        tokens = prompt(target, question)
        assert draft.propose(0, tokens, 20) == greedy(target, tokens, 20)


def test_it_catches_up_after_acceptance_and_after_rejection(target: Model, draft: DraftModel) -> None:
    tokens = prompt(target, QUESTIONS[0])
    answer = greedy(target, tokens, 12)
    assert draft.propose(0, tokens, 8) == answer[:8]
    assert draft.propose(0, [*tokens, *answer[:8]], 4) == answer[8:]  # all were right
    other = [*tokens, *answer[:3], target.tokenize(" cell", add_special=False, parse_special=False)[0]]
    assert draft.propose(0, other, 6) == greedy(target, other, 6)
    assert draft.propose(0, tokens, 5) == answer[:5]  # back to where the cells already are


def test_slots_are_drafted_together_as_alone(target: Model, draft: DraftModel) -> None:
    texts = [prompt(target, question) for question in QUESTIONS]
    alone = [greedy(target, tokens, 10) for tokens in texts]
    together = draft.propose_many({slot: (tokens, 10 - slot) for slot, tokens in enumerate(texts)})
    assert together == {slot: answer[: 10 - slot] for slot, answer in enumerate(alone)}
    draft.forget(1)
    assert draft.propose(1, texts[1], 10) == alone[1]


def test_a_long_text_is_caught_up_in_pieces(target: Model) -> None:
    settings = EffectiveSettings(n_ctx=512, n_parallel=2, n_threads=1, n_gpu_layers=0, kv_type="f16")
    draft = DraftModel(str(demo_model_path()), target, settings)
    try:
        rng = random.Random(1)
        texts = [[rng.randrange(100, target.n_vocab) for _ in range(400)] for _ in range(2)]
        found = draft.propose_many({slot: (tokens, 3) for slot, tokens in enumerate(texts)})
        assert [len(guesses) for guesses in found.values()] == [3, 3]
        assert found[0] == draft.propose(0, texts[0], 3)
    finally:
        draft.close()


def test_it_stops_where_it_is_unsure(target: Model, draft: DraftModel) -> None:
    tokens = prompt(target, QUESTIONS[0])
    lengths = [len(draft.propose(0, tokens, 30, threshold)) for threshold in (0.0, 0.5, 0.9, 1.1)]
    assert lengths[0] == 30
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] == 0


def test_nothing_is_guessed_beyond_the_context(target: Model, draft: DraftModel) -> None:
    tokens = prompt(target, QUESTIONS[0]) * 40
    assert draft.propose(0, tokens[:512], 4) == []
    assert len(draft.propose(0, tokens[:510], 4)) == 2
    assert draft.propose(0, [], 4) == []
    assert draft.propose(0, tokens[:10], 0) == []


def test_a_worse_draft_is_right_less_often(target: Model, tmp_path: Path) -> None:
    path = tmp_path / "worse.gguf"
    path.write_bytes(perturbed())
    draft = DraftModel(str(path), target, SETTINGS)
    try:
        right = 0
        for question in QUESTIONS:
            tokens = prompt(target, question)
            answer = greedy(target, tokens, 30)
            for at in range(30):
                right += draft.propose(0, [*tokens, *answer[:at]], 1) == [answer[at]]
        assert 20 < right < 90
    finally:
        draft.close()


def test_another_vocabulary_is_refused(target: Model, tmp_path: Path) -> None:
    path = tmp_path / "other.gguf"
    path.write_bytes(renamed(target.token_text(1000)))
    with pytest.raises(ModelLoadFailed, match=r"token 1000 is another text"):
        DraftModel(str(path), target, SETTINGS)


def test_a_file_that_is_no_model_is_refused(target: Model, tmp_path: Path) -> None:
    path = tmp_path / "none.gguf"
    path.write_bytes(b"nothing")
    with pytest.raises(ModelLoadFailed, match="draft model of demo"):
        DraftModel(str(path), target, SETTINGS)


def perturbed() -> bytes:
    """The demo model with other angles in its rotary embedding: it reads, but not well."""
    content, key = bytearray(demo_model_path().read_bytes()), b"rope.freq_base"
    place = content.find(key) + len(key)  # the value's type stands there, 6 for a 32-bit float, and then the value
    assert struct.unpack_from("<I", content, place) == (6,)
    struct.pack_into("<f", content, place + 4, 500.0)
    return bytes(content)


def renamed(text: str) -> bytes:
    """The demo model with one token of its vocabulary spelt differently."""
    content, data = demo_model_path().read_bytes(), text.encode()
    entry = struct.pack("<Q", len(data)) + data
    assert entry in content
    return content.replace(entry, entry[:-1] + b"#", 1)
