"""Answers about images: the same as by mtmd's own way, whatever else is computed, cached or interrupted meanwhile."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import pytest
from llama_cpp import mtmd_cpp

from jupyter_uml.engine.engine import Engine, Failure
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.speculation import Speculator
from jupyter_uml.engine.state_store import StateStore
from jupyter_uml.errors import ContextLengthExceeded, InvalidRequest
from jupyter_uml.types import IMAGE_MARK, Chunk, GenerateRequest, LoadSettings, Message, ModelSpec, SamplingParams
from tests.engine import vision_models
from tests.engine.engines import GREEDY, answer, chat, make_engine, run, text
from tests.engine.vision_models import DAMAGED_JPEG, JPEG, png

PAIRS = [vision_models.llava, vision_models.gemma3_vision, vision_models.qwen2vl]
SIZES = {"llava": (60, 60), "gemma": (60, 60), "qwen": (280, 112)}
SHORT = replace(GREEDY, max_tokens=12, ignore_eos=True)
MARKER = mtmd_cpp.mtmd_default_marker().decode()

Make = Callable[[Path], Path]
Start = Callable[..., Engine]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    engines: list[Engine] = []

    def start(make: Make = vision_models.llava, store: StateStore | None = None, **settings: int) -> Engine:
        path = make(tmp_path)
        projector = next(tmp_path.glob(f"mmproj-{path.stem}*"))
        settings = {"n_threads": 1, "n_ctx": 512, "n_parallel": 2, **settings}
        model = Model(ModelSpec("tiny", str(path), LoadSettings(**settings), projector_path=str(projector)))
        engines.append(engine := Engine(model, model.settings(model.spec.settings), store, worth_disk_seconds=0.0))
        return engine

    yield start
    for engine in engines:
        engine.close()


def ask(words: str, *images: bytes, params: SamplingParams = SHORT, **fields: Any) -> GenerateRequest:
    request = chat("", params, **fields)
    return replace(request, messages=(Message("user", words, images=images),))


def see(words: str = f"What is this? {IMAGE_MARK} Say it.", seed: int = 0, **fields: Any) -> GenerateRequest:
    return ask(words, png(280, 112, seed), **fields)


# --- the reference ---


def tokens_by_mtmd(engine: Engine, request: GenerateRequest) -> list[int]:
    """The greedy answer, by mtmd's own helpers in a context of its own."""
    model, handle = engine.model, engine.sight._projector._handle  # type: ignore[union-attr]
    rendered = engine.prompts._render(request.messages, request).text
    for number in range(9):
        rendered = rendered.replace(f"{IMAGE_MARK}{number}\ufdd2", MARKER)
    chunks = _chunks(handle, rendered.encode(), [image for m in request.messages for image in m.images])
    params = llama_cpp.llama_context_default_params()
    params.n_ctx, params.n_threads, params.n_threads_batch = 512, 1, 1
    params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
    context = llama_cpp.llama_init_from_model(model.handle, params)
    past = ctypes.c_int32(0)
    assert mtmd_cpp.mtmd_helper_eval_chunks(handle, context, chunks, 0, 0, 512, True, ctypes.byref(past)) == 0
    mtmd_cpp.mtmd_input_chunks_free(chunks)
    answer: list[int] = []
    for position in range(past.value, past.value + (request.params.max_tokens or 0)):
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, -1), (model.n_vocab,))
        answer.append(int(logits.argmax()))
        assert _decode(context, answer[-1], position) == 0
    llama_cpp.llama_free(context)
    return answer


def _chunks(handle: Any, prompt: bytes, images: list[bytes]) -> Any:
    chunks = mtmd_cpp.mtmd_input_chunks_init()
    bitmaps = (ctypes.c_void_p * len(images))()
    for index, image in enumerate(images):
        buffer = (ctypes.c_uint8 * len(image)).from_buffer_copy(image)
        bitmaps[index] = mtmd_cpp.mtmd_helper_bitmap_init_from_buf(handle, buffer, len(image), False)
    text = mtmd_cpp.mtmd_input_text(text=prompt, text_len=len(prompt), add_special=True, parse_special=True)
    assert mtmd_cpp.mtmd_tokenize(handle, chunks, ctypes.byref(text), bitmaps, len(images)) == 0
    for bitmap in bitmaps:
        mtmd_cpp.mtmd_bitmap_free(bitmap)
    return chunks


def _decode(context: Any, token: int, position: int) -> int:
    batch = llama_cpp.llama_batch_init(1, 0, 1)
    batch.n_tokens, batch.token[0], batch.pos[0], batch.n_seq_id[0], batch.logits[0] = 1, token, position, 1, 1
    batch.seq_id[0][0] = 0
    status = llama_cpp.llama_decode(context, batch)
    llama_cpp.llama_batch_free(batch)
    return int(status)


def tokens_of(chunks: list[Chunk]) -> list[int]:
    return [logprob.chosen.token for chunk in chunks for logprob in chunk.logprobs]


def with_logprobs(request: GenerateRequest) -> GenerateRequest:
    return replace(request, params=replace(request.params, logprobs=0))


# --- answers ---


@pytest.mark.parametrize("make", PAIRS)
@pytest.mark.parametrize(
    "request_",
    [
        see(),
        see(f"{IMAGE_MARK}"),
        ask(f"{IMAGE_MARK} or {IMAGE_MARK}{IMAGE_MARK}?", png(280, 112), JPEG, png(100, 90, 5)),
    ],
    ids=["one", "alone", "three"],
)
def test_the_answer_is_that_of_mtmd(start: Start, make: Make, request_: GenerateRequest) -> None:
    engine = start(make)
    chunks = answer(engine, with_logprobs(request_))
    assert tokens_of(chunks) == tokens_by_mtmd(engine, request_)
    assert len(tokens_of(chunks)) == 12


@pytest.mark.parametrize("make", PAIRS)
def test_another_image_gives_another_answer(start: Start, make: Make) -> None:
    engine = start(make)
    answers = {tuple(tokens_of(answer(engine, with_logprobs(see(seed=seed))))) for seed in range(4)}
    assert len(answers) > 1


@pytest.mark.parametrize("make", PAIRS)
def test_a_second_question_about_an_image_finds_it_in_the_cache(start: Start, make: Make) -> None:
    engine = start(make)
    first = answer(engine, see(f"{IMAGE_MARK} What is this?"))[-1]
    again = see(f"{IMAGE_MARK} What is that thing?")
    chunks = answer(engine, with_logprobs(again))
    usage = chunks[-1].usage
    assert usage is not None
    assert first.usage is not None
    assert first.usage.cached_tokens == 0
    assert usage.cached_tokens >= 16
    assert tokens_of(chunks) == tokens_by_mtmd(engine, again)


@pytest.mark.parametrize("make", PAIRS)
def test_another_image_is_not_taken_for_the_cached_one(start: Start, make: Make) -> None:
    engine = start(make)
    answer(engine, see(f"{IMAGE_MARK} What is this?", seed=1))
    other = see(f"{IMAGE_MARK} What is this?", seed=2)
    chunks = answer(engine, with_logprobs(other))
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.cached_tokens < 16
    assert tokens_of(chunks) == tokens_by_mtmd(engine, other)


@pytest.mark.parametrize("make", PAIRS)
def test_images_and_texts_side_by_side(start: Start, make: Make) -> None:
    engine = start(make, n_parallel=4)
    requests = [see(seed=1), chat("Hello, who are you?", SHORT), see(seed=2), chat("What is GGUF?", SHORT), see(seed=3)]
    for request in requests:
        engine.add(with_logprobs(request))
    answers = run(engine)
    for request in requests:
        assert tokens_of(answers[request.id]) == tokens_by_mtmd(engine, request)


@pytest.mark.parametrize("make", PAIRS)
def test_a_request_that_gave_way_goes_on_as_if_nothing_had_been(start: Start, make: Make) -> None:
    engine = start(make, n_parallel=1)
    batch = with_logprobs(see(priority="batch"))
    engine.add(batch)
    chunks: list[Chunk] = []
    while len(chunks) < 3:
        chunks += [output for output in engine.step() if isinstance(output, Chunk)]
    engine.add(chat("Hello!", SHORT))
    chunks += run(engine)[batch.id]
    assert tokens_of(chunks) == tokens_by_mtmd(engine, batch)


@pytest.mark.parametrize("make", PAIRS)
def test_an_aborted_image_leaves_a_slot_of_use(start: Start, make: Make) -> None:
    engine = start(make, n_parallel=1)
    request = see()
    engine.add(request)
    engine.interrupt(request.id)
    engine.step()
    (last,) = engine.abort(request.id)
    assert isinstance(last, Chunk)
    assert last.finish_reason == "aborted"
    assert tokens_of(answer(engine, with_logprobs(see()))) == tokens_by_mtmd(engine, see())


@pytest.mark.parametrize("make", PAIRS)
def test_a_saved_state_with_an_image_goes_on(start: Start, make: Make) -> None:
    engine = start(make, StateStore(ram_bytes=64 << 20, folder=None, disk_bytes=0), n_parallel=1)
    again = see(f"{IMAGE_MARK} {'Look at it closely. ' * 20}")
    answer(engine, replace(again, id="first"))
    for seed in range(3):  # others take the slot
        answer(engine, chat(f"{seed} {'Something else, for a long time. ' * 12}", SHORT))
    chunks = answer(engine, with_logprobs(again))
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.cached_tokens > 64
    assert tokens_of(chunks) == tokens_by_mtmd(engine, again)


@pytest.mark.parametrize("make", PAIRS)
def test_deterministic_answers_about_images(start: Start, make: Make) -> None:
    engine = start(make)
    request = with_logprobs(see(deterministic=True))
    first = answer(engine, request)
    engine.add(chat("Hello, who are you?", SHORT))
    again = replace(request, id="again")
    engine.add(again)
    assert [chunk.logprobs for chunk in run(engine)["again"]] == [chunk.logprobs for chunk in first]


@pytest.mark.parametrize("make", PAIRS)
def test_an_interrupted_image_is_computed_again(start: Start, make: Make) -> None:
    engine = start(make)
    request = see()
    engine.add(with_logprobs(request))
    while not (engine._places.running and engine._places.running[0].at_image):
        engine.step()
    before = engine._places.running[0].computed
    engine.interrupt(request.id)
    engine.step()
    assert engine._places.running[0].computed == before
    assert tokens_of(run(engine)[request.id]) == tokens_by_mtmd(engine, request)


def test_an_image_that_was_computed_in_part_is_begun_again(start: Start) -> None:
    engine = start(vision_models.qwen2vl, n_parallel=1)
    request = ask(f"What is this? {IMAGE_MARK} Say it.", png(400, 400))
    engine.add(request)
    while not (engine._places.running and engine._places.running[0].computed > 100):
        engine.step()
    assert engine._places.running[0].at_image
    engine.abort(request.id)
    chunks = answer(engine, with_logprobs(replace(request, id="again")))
    assert tokens_of(chunks) == tokens_by_mtmd(engine, request)


def test_rows_that_see_each_other_are_computed_together(start: Start) -> None:
    engine = start(lambda folder: vision_models.gemma3_vision(folder, side=24))
    (placed,) = engine.prompts.build(see()).images
    assert len(placed.rows.tokens) == 144  # more than a first chunk has
    assert tokens_of(answer(engine, with_logprobs(see()))) == tokens_by_mtmd(engine, see())


@pytest.mark.parametrize("make", PAIRS)
@pytest.mark.parametrize("guesses", [[5, 6, 7], [5, -6, 7], [-5]])
def test_wrong_guesses_behind_an_image_leave_no_trace(
    start: Start, make: Make, guesses: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guesses come out of the prompt, where pseudo tokens stand, too."""
    monkeypatch.setattr(Speculator, "propose", lambda *_: guesses)
    engine = start(make)
    assert tokens_of(answer(engine, with_logprobs(see()))) == tokens_by_mtmd(engine, see())


def test_penalties_and_guesses_pass_images_over(start: Start) -> None:
    engine = start()
    params = SamplingParams(
        temperature=0, max_tokens=30, ignore_eos=True, repeat_penalty=1.3, repeat_last_n=-1, dry_multiplier=0.8
    )
    chunks = answer(engine, see(params=params))
    assert chunks[-1].finish_reason == "length"
    echo = f"a b c {IMAGE_MARK} a b c {IMAGE_MARK} a b c"
    assert answer(engine, ask(echo, png(), png(), params=SHORT))[-1].finish_reason == "length"


def test_rows_of_images_count_as_prompt_tokens(start: Start) -> None:
    engine = start()
    without, with_image = (
        answer(engine, request)[-1].usage for request in (ask("Hello"), ask(f"Hello{IMAGE_MARK}", png()))
    )
    assert with_image is not None
    assert without is not None
    assert with_image.prompt_tokens == without.prompt_tokens + 16


def test_too_many_images_do_not_fit_the_context(start: Start) -> None:
    engine = start(n_ctx=256)
    with pytest.raises(ContextLengthExceeded):
        engine.add(ask(IMAGE_MARK * 16, *[png(seed=n) for n in range(16)]))


def test_the_oldest_images_are_left_out_with_their_messages(start: Start) -> None:
    engine = start(n_ctx=256)
    messages = tuple(Message("user", f"Number {n}: {IMAGE_MARK}", images=(png(seed=n),)) for n in range(20))
    request = replace(see(truncate="oldest_messages"), messages=messages)
    kept = replace(request, messages=messages[-1:])
    assert text(answer(engine, request))
    prompt = engine.prompts.build(replace(request, id="x"))
    assert 0 < len(prompt.images) < 20
    last = engine.prompts.build(kept)
    assert prompt.tokens[-len(last.tokens) + 8 :] == last.tokens[8:]


# --- refusals ---


def test_a_model_without_a_projector_says_so() -> None:
    engine = make_engine()
    assert not engine.info.can_see
    with pytest.raises(InvalidRequest, match="cannot see images: it has no projector") as caught:
        engine.add(see())
    assert caught.value.param == "messages"
    engine.close()


def test_a_model_with_a_projector_can_see(start: Start) -> None:
    assert start().info.can_see


def test_a_projector_that_does_not_fit_leaves_a_model_that_reads(tmp_path: Path) -> None:
    path = vision_models.llava(tmp_path)
    other = vision_models.projector(tmp_path / "mmproj-other.gguf", "mlp", side=56, seed=1, width=128)
    model = Model(ModelSpec("tiny", str(path), LoadSettings(n_threads=1), projector_path=str(other)))
    engine = Engine(model, model.settings(model.spec.settings))
    assert not engine.info.can_see
    assert answer(engine, chat("Hello", SHORT))
    with pytest.raises(InvalidRequest, match=r"cannot see images\. The projector of tiny cannot be loaded: .*mismatch"):
        engine.add(see())
    engine.close()


def test_a_damaged_image_ends_its_request_alone(start: Start) -> None:
    engine = start()
    broken = ask(f"What is this? {IMAGE_MARK} Say it.", DAMAGED_JPEG)
    engine.add(broken)
    engine.add(other := with_logprobs(see()))
    outputs = [output for _ in range(40) for output in engine.step()]
    (failure,) = (output for output in outputs if isinstance(output, Failure))
    assert failure.request_id == broken.id
    assert "damaged" in failure.error.message
    chunks = [output for output in outputs if isinstance(output, Chunk) and output.request_id == other.id]
    assert tokens_of(chunks) == tokens_by_mtmd(engine, other)


def test_what_images_cannot_be_combined_with_is_refused_by_name(start: Start) -> None:
    engine = start()
    with pytest.raises(InvalidRequest, match="cannot be shifted") as caught:
        engine.add(see(context_shift=True))
    assert caught.value.param == "context_shift"
    with pytest.raises(InvalidRequest, match="as many marks"):
        engine.add(ask("no mark", png()))
    with pytest.raises(InvalidRequest, match="no image"):
        engine.add(ask(IMAGE_MARK, b"hello"))


def test_a_mark_in_what_people_write_is_nothing(start: Start) -> None:
    engine = start()
    plain, marked = ask("Hello you"), ask(f"Hel{IMAGE_MARK}lo you")
    assert engine.prompts.build(plain).tokens == engine.prompts.build(marked).tokens


def test_images_can_be_looked_at_beforehand(start: Start) -> None:
    engine = start()
    engine.sight.prepare(engine.prompts.build(see()).images)
    assert text(answer(engine, see()))
    with pytest.raises(InvalidRequest, match="damaged"):
        engine.sight.prepare(engine.prompts.build(ask(f"{IMAGE_MARK}.", DAMAGED_JPEG)).images)
