"""Who waits for whom: interactive before batch, and no principal before another by numbers alone."""

from __future__ import annotations

import json
from collections import defaultdict

from jupyter_uml.engine.engine import Engine
from jupyter_uml.engine.state_store import StateStore
from jupyter_uml.types import Chunk, GenerateRequest, Grammar, Priority, SamplingParams
from tests.engine.engines import answer, chat, make_engine, raw, story, text

LONG = SamplingParams(temperature=0.01, max_tokens=60, ignore_eos=True, seed=0)  # a seed: no guesses


def finished(engine: Engine) -> tuple[list[str], dict[str, str]]:
    """Step until there is nothing to do: the requests in the order of their ends, and their answers."""
    order, texts = list[str](), dict[str, str]()
    while engine.busy:
        for output in engine.step():
            assert isinstance(output, Chunk)
            texts[output.request_id] = texts.get(output.request_id, "") + output.text
            if output.finish_reason is not None:
                order.append(output.request_id)
    return order, texts


def test_an_interactive_request_takes_the_place_of_a_batch_request_which_loses_nothing() -> None:
    for store in (StateStore(64 << 20, None, 0), None):  # brought back from memory, or computed again
        engine = make_engine(store=store, n_parallel=1)
        expected = text(answer(engine, raw(story(200), LONG, principal="alone")))
        batch = raw(story(200), LONG, priority="batch")
        engine.add(batch)
        early = [output for _ in range(12) for output in engine.step() if isinstance(output, Chunk)]
        shown = "".join(chunk.text for chunk in early)
        assert sum(chunk.tokens for chunk in early) > 5
        person = chat("Who are you?")
        engine.add(person)
        order, texts = finished(engine)
        assert order == [person.id, batch.id]
        assert shown + texts[batch.id] == expected
        engine.close()


def test_interactive_requests_do_not_displace_each_other() -> None:
    engine = make_engine(n_parallel=1)
    first, second = raw(story(50), LONG), chat("Who are you?")
    engine.add(first)
    engine.step()
    engine.add(second)
    assert finished(engine)[0] == [first.id, second.id]
    engine.close()


def test_one_users_flood_does_not_hold_up_another_user() -> None:
    engine = make_engine(n_parallel=1)
    flood = [chat("Who are you?", principal="ann") for _ in range(10)]
    for request in flood:
        engine.add(request)
    engine.step()
    single: GenerateRequest = chat("Hello!", principal="bob")
    engine.add(single)
    order, _ = finished(engine)
    assert order.index(single.id) <= 1
    engine.close()


def test_batch_requests_that_interactive_ones_waited_for_do_not_displace_each_other() -> None:
    engine = make_engine(n_parallel=1)
    engine.costs.add_prefill(64, 1.0)
    leaders = [raw(story(300, seed), LONG, priority="batch") for seed in (1, 2)]
    for seed, leader in zip((1, 2), leaders, strict=True):
        engine.add(leader)
        engine.step()
        engine.add(raw([*story(300, seed), 9], SamplingParams(temperature=0, max_tokens=2, ignore_eos=True)))
        engine.step()
    for _ in range(400):
        engine.step()
    assert not engine.busy
    engine.close()


def steps_of(priority: Priority) -> tuple[int, list[str]]:
    """How many steps four records take, and what they say."""
    engine = make_engine(n_parallel=4)
    kinds = {name: {"type": "string", "enum": ["low", "high"]} for name in ("price", "quality", "service")}
    record = {"type": "object", "properties": kinds, "required": list(kinds), "additionalProperties": False}
    params = SamplingParams(temperature=0, grammar=Grammar("json_schema", json.dumps(record)))
    for number in range(4):
        engine.add(chat(f"Customer {number} writes", params, priority=priority))
    texts, steps = defaultdict[str, str](str), 0
    while engine.busy:
        steps += 1
        for output in engine.step():
            assert isinstance(output, Chunk)
            texts[output.request_id] += output.text
    engine.close()
    return steps, list(texts.values())


def test_what_a_schema_leaves_no_choice_about_is_not_waited_for_where_nobody_watches() -> None:
    watched, _ = steps_of("interactive")
    unwatched, records = steps_of("batch")
    assert unwatched < 0.6 * watched
    assert all(set(json.loads(record).values()) <= {"low", "high"} for record in records)
