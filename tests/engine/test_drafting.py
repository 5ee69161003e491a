"""A draft model is used while it pays and left alone while it does not."""

from __future__ import annotations

from pathlib import Path

from jupyter_uml.demo import demo_model_path
from jupyter_uml.engine.draft_model import DraftModel
from jupyter_uml.engine.drafting import Drafting
from jupyter_uml.engine.engine import Engine
from jupyter_uml.engine.step_costs import StepCosts
from jupyter_uml.types import SamplingParams
from tests.engine.engines import answer, make_engine, raw, run, story, text


class Oracle:
    """Drafts instantly; `right` says whether its guesses are those that come."""

    def __init__(self) -> None:
        self.asked = 0

    def propose(self, slot: int, tokens: list[int], count: int, min_probability: float = 0.0) -> list[int]:
        self.asked += 1
        return [0] * count

    def close(self) -> None: ...


def memory_bound() -> StepCosts:
    costs = StepCosts()
    for rows in (1, 2, 4, 8, 9):
        for _ in range(4):
            costs.add(rows, 0.030 + 0.001 * rows)
    return costs


def used(right: float, tokens: int = 4000) -> float:
    """The share of steps in which a draft that is right so often is asked."""
    oracle, costs = Oracle(), memory_bound()
    drafting = Drafting(oracle)
    for step in range(tokens):
        guesses = drafting.propose(0, [], 8, costs)
        if guesses:
            accepted = len(guesses) if (step * 7919) % 1000 < 1000 * right else 0
            drafting.judge(len(guesses), accepted)
    return oracle.asked / tokens


def test_it_is_asked_always_while_it_is_right_and_hardly_ever_while_it_is_wrong() -> None:
    assert used(right=0.9) > 0.9
    assert used(right=0.0) < 0.02


def test_it_is_not_asked_before_the_machine_is_known() -> None:
    oracle = Oracle()
    assert Drafting(oracle).propose(0, [], 8, StepCosts()) == []
    assert oracle.asked == 0


def drafted(engine: Engine) -> tuple[str, int, int]:
    engine.costs = memory_bound()
    chunks = answer(engine, raw(story(60), SamplingParams(temperature=0, max_tokens=60, ignore_eos=True)))
    usage = chunks[-1].usage
    assert usage is not None
    return text(chunks), usage.drafted_tokens, usage.accepted_tokens


def test_an_engine_with_a_draft_model_says_the_same_and_its_own_copy_is_always_right(tmp_path: Path) -> None:
    plain = make_engine()
    expected, _, _ = drafted(plain)
    plain.close()
    engine = make_engine()
    engine.drafting = Drafting(DraftModel(str(demo_model_path()), engine.model, engine.settings))
    told, guessed, accepted = drafted(engine)
    assert told == expected
    assert guessed > 20
    assert accepted >= 0.9 * guessed
    engine.close()


def test_two_answers_ahead_of_themselves_do_not_overflow_the_context() -> None:
    engine = make_engine(n_parallel=2)
    engine.costs = memory_bound()
    prompts = [[*story(20, seed)] * 6 for seed in (1, 2)]
    requests = [raw(prompt, SamplingParams(temperature=0, max_tokens=60, ignore_eos=True)) for prompt in prompts]
    for _ in range(2):  # the second time they know how they went on
        for request in requests:
            engine.add(request)
        answers = run(engine)
    assert all(answers[request.id][-1].finish_reason == "length" for request in requests)
    engine.close()
