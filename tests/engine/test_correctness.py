"""The engine against llama.cpp by itself: the same tokens, however requests come, share, are cut short and go.

In another batch shape llama.cpp rounds differently. So a token may differ only where llama.cpp's own logits of the two
candidates are closer than `BOUND`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import llama_cpp
import numpy as np
import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.engine.state_store import StateStore
from jupyter_uml.types import Chunk, SamplingParams
from tests.engine.engines import make_engine, raw, story

LENGTH = 24
BOUND = 0.05  # logits; their standard deviation is about 3
TOLD = SamplingParams(temperature=0, max_tokens=LENGTH, ignore_eos=True, logprobs=0)


class Reference:
    """llama.cpp through llama-cpp-python's own class: one sequence, nothing shared, nothing cached."""

    def __init__(self) -> None:
        self._llama = llama_cpp.Llama(
            str(demo_model_path()), n_ctx=1024, n_threads=1, n_threads_batch=1, n_batch=512, verbose=False
        )
        self._ends = {
            token
            for token in range(self._llama.n_vocab())
            if llama_cpp.llama_vocab_is_eog(llama_cpp.llama_model_get_vocab(self._llama.model), token)
        }

    def margins(self, prompt: list[int], told: list[int]) -> Iterator[float]:
        """By how much llama.cpp prefers its own next token to each that was told."""
        self._llama.reset()
        for tokens, chosen in zip((prompt, *([token] for token in told)), told, strict=False):
            self._llama.eval(tokens)
            yield self._margin(chosen)

    def _margin(self, chosen: int) -> float:
        logits = np.ctypeslib.as_array(self._llama._ctx.get_logits_ith(-1), (self._llama.n_vocab(),)).copy()
        logits[list(self._ends)] = -np.inf
        return float(logits.max() - logits[chosen])

    def close(self) -> None:
        self._llama.close()


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    reference = Reference()
    yield reference
    reference.close()


def prompt_of(seed: int) -> list[int]:
    """Prompts that share beginnings of many lengths, some all but the end."""
    draw = random.Random(seed)
    base = story(250, seed=draw.randrange(3))
    return base[: draw.randrange(1, 250)] + story(draw.randrange(1, 30), seed=seed)


@pytest.mark.parametrize("seed", range(3))
def test_every_token_is_the_one_that_llama_cpp_would_choose(seed: int, reference: Reference) -> None:
    draw = random.Random(seed)
    engine = make_engine(store=StateStore(2 << 20, None, 0), n_parallel=3, n_ctx=512)
    prompts, told, aborted = dict[str, list[int]](), dict[str, list[int]](), set[str]()
    finished = set[str]()
    for number in range(120):
        prompt = prompt_of(draw.randrange(60))
        priority = draw.choice(("interactive", "interactive", "batch"))
        request = raw(prompt, TOLD, principal=draw.choice(("ann", "bob")), priority=priority)
        prompts[request.id], told[request.id] = prompt, []
        engine.add(request)
        if draw.random() < 0.2:
            victim = draw.choice(sorted(set(prompts) - finished))
            if engine.abort(victim):
                aborted.add(victim)
                finished.add(victim)
        if draw.random() < 0.3:
            engine.costs.add_prefill(draw.randrange(32, 512), 1.0)
        for _ in range(draw.randrange(12) if number < 119 else 10**6):
            if not engine.busy:
                break
            for chunk in engine.step():
                assert isinstance(chunk, Chunk)
                assert chunk.request_id not in finished
                told[chunk.request_id] += [each.chosen.token for each in chunk.logprobs]
                if chunk.finish_reason is not None:
                    finished.add(chunk.request_id)
        engine.rest()
    assert finished == set(prompts)
    assert all(len(told[name]) == LENGTH for name in finished - aborted)
    assert engine._cache.free == 3
    engine.close()

    for name in draw.sample(sorted(finished), 20):
        margins = list(reference.margins(prompts[name], told[name]))
        assert max(margins, default=0) < BOUND, (name, margins)
