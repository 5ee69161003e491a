"""What holds where a request says nothing."""

from __future__ import annotations

import pytest

from jupyter_uml.engine.model import Model
from jupyter_uml.engine.parameters import Resolved, resolve
from jupyter_uml.types import SamplingParams

DEFAULT = Resolved(0.8, 40, 0.95, 0.05)


class Recommending(Model):
    """A model of which nothing is loaded but the recommendations in its file."""

    def __init__(self, **values: str) -> None:
        self._values = {f"general.sampling.{name}": value for name, value in values.items()}

    def metadata(self, key: str) -> str | None:
        return self._values.get(key)


def test_the_request_comes_before_the_file_and_the_file_before_the_default() -> None:
    model = Recommending(temp="0.6", top_k="20")
    assert resolve(Recommending(), SamplingParams()) == DEFAULT
    assert resolve(model, SamplingParams()) == DEFAULT._replace(temperature=0.6, top_k=20)
    assert resolve(model, SamplingParams(temperature=0.0, top_k=0)) == DEFAULT._replace(temperature=0.0, top_k=0)


@pytest.mark.parametrize("value", ["warm", "nan", "-1", "1e999", ""])
def test_recommendations_that_make_no_sense_are_passed_over(value: str) -> None:
    model = Recommending(temp=value, top_k=value, top_p=value, min_p=value)
    assert resolve(model, SamplingParams()) == DEFAULT


def test_temperatures_that_overflow_are_none() -> None:
    assert resolve(Recommending(), SamplingParams(temperature=1e-7)).temperature == 0.0
