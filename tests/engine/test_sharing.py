"""One prefix, many requests: computed once, also while it is being computed, and across restarts."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from jupyter_uml.engine.state_store import StateStore
from jupyter_uml.types import Chunk, SamplingParams, Usage
from tests.conftest import wait_until
from tests.engine.engines import answer, make_engine, raw, run, story, text

SHORT = SamplingParams(temperature=0, max_tokens=8)


def usage(chunks: list[Chunk]) -> Usage:
    assert chunks[-1].usage is not None
    return chunks[-1].usage


def test_requests_that_come_together_compute_their_common_prefix_once() -> None:
    engine = make_engine(n_parallel=8)
    prompts = [[*story(600), *story(10, seed=i + 1)] for i in range(8)]
    alone = [text(answer(engine, raw(prompt, SHORT, principal=f"alone {i}"))) for i, prompt in enumerate(prompts)]
    requests = [raw(prompt, SHORT) for prompt in prompts]
    for request in requests:
        engine.add(request)
    answers = run(engine)
    assert sorted(usage(answers[request.id]).cached_tokens for request in requests) == [0] + [600] * 7
    assert [text(answers[request.id]) for request in requests] == alone
    engine.close()


def test_a_follower_whose_leader_is_aborted_computes_by_itself() -> None:
    engine = make_engine(n_parallel=2)
    engine.costs.add_prefill(100, 1.0)  # chunks of a hundred: the prefix takes several steps
    leader, follower = raw(story(600), SHORT), raw([*story(600), 7, 8], SHORT)
    engine.add(leader)
    engine.add(follower)
    engine.step()
    engine.abort(leader.id)
    answers = run(engine)
    assert 0 < usage(answers[follower.id]).cached_tokens < 600, "what the leader had computed is used"
    assert text(answers[follower.id]) == text(answer(engine, raw([*story(600), 7, 8], SHORT, principal="other")))
    engine.close()


def test_what_a_slot_lost_comes_back_from_memory() -> None:
    engine = make_engine(store=StateStore(64 << 20, None, 0), n_parallel=1)
    first = answer(engine, raw(story(500), SHORT))
    answer(engine, raw(story(500, seed=1), SHORT))
    again = answer(engine, raw(story(500), SHORT))
    assert usage(again).cached_tokens == 499
    assert text(again) == text(first)
    engine.close()


def test_a_cell_run_again_after_a_restart_finds_its_prompt_on_disk(tmp_path: Path) -> None:
    prompt, answers = story(500), list[list[Chunk]]()
    for restarted in (False, True):
        store = StateStore(64 << 20, tmp_path, 1 << 30)
        store.open(lambda: "demo")
        engine = make_engine(store=store, worth_disk_seconds=0.0, n_parallel=2)
        if restarted:
            wait_until(partial(store.find, "local", prompt))
        answers.append(answer(engine, raw(prompt, SHORT)))
        while engine.rest():
            pass
        engine.close()
    first, again = answers
    assert (usage(first).cached_tokens, usage(again).cached_tokens) == (0, 499)
    assert text(again) == text(first)


def test_nobody_finds_what_another_asked_on_disk_either(tmp_path: Path) -> None:
    for principal in ("ann", "bob"):
        store = StateStore(64 << 20, tmp_path, 1 << 30)
        store.open(lambda: "demo")
        engine = make_engine(store=store, worth_disk_seconds=0.0)
        if principal == "bob":
            wait_until(partial(store.find, "ann", story(500)))
        assert usage(answer(engine, raw(story(500), SHORT, principal=principal))).cached_tokens == 0
        while engine.rest():
            pass
        engine.close()
