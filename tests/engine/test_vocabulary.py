"""What all answers of a model share: several threads ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from jupyter_uml.engine.model import Model
from jupyter_uml.engine.vocabulary import Vocabulary
from tests.engine.engines import spec

ROUNDS = 60  # one goes wrong in some ten, where the threads share a buffer


@pytest.fixture
def model() -> Iterator[Model]:
    model = Model(spec())
    yield model
    model.close()


def spelled(model: Model, spell: Callable[[int], bytes]) -> list[list[bytes]]:
    """All tokens by two threads at once, one of which begins at the other end."""
    numbers, ready = range(model.n_vocab), Barrier(2)

    def work(step: int) -> list[bytes]:
        ready.wait()
        return [spell(number) for number in numbers[::step]][::step]

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(work, (1, -1)))


def test_two_threads_may_spell_tokens_at_once(model: Model) -> None:
    for _ in range(ROUNDS):
        model.__dict__.pop("piece", None)  # with nothing remembered
        first, second = spelled(model, model.piece)
        assert first == second == [model.piece(number) for number in range(model.n_vocab)]


def test_two_threads_may_make_grammars_at_once(model: Model) -> None:
    words = Vocabulary(model)
    alone = [words._spelling(number) for number in range(model.n_vocab)]
    for _ in range(ROUNDS):
        assert spelled(model, words._spelling) == [alone, alone]
