"""The fields about sampling: each reaches the engine, none goes out of bounds."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from pydantic import ValidationError

from jupyter_uml.protocol.endpoint import Caller
from jupyter_uml.protocol.openai.completions import TextCompletionBody
from jupyter_uml.types import GenerateRequest, Grammar, SamplingParams


def native(**body: Any) -> GenerateRequest:
    """The one request that a body asks for."""
    (request,) = TextCompletionBody.model_validate({"model": "demo", "prompt": "x", **body}).to_native(
        Caller("me", "1")
    )
    return request


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {}),
        ({"service_tier": "flex"}, {"priority": "batch"}),
        ({"service_tier": "flex", "priority": "interactive"}, {"priority": "interactive"}),
        ({"truncate": "middle", "context_shift": True}, {"truncate": "middle", "context_shift": True}),
        ({"deterministic": True}, {"deterministic": True}),
    ],
)
def test_how_a_request_is_handled(body: dict[str, Any], expected: dict[str, Any]) -> None:
    request = native(**body)
    plain = {"priority": "interactive", "truncate": None, "context_shift": False, "deterministic": False}
    assert {name: getattr(request, name) for name in plain} == plain | expected


def test_every_sampling_parameter_has_its_field() -> None:
    given: dict[str, Any] = {
        "temperature": 0.5, "top_k": 3, "top_p": 0.5, "min_p": 0.1, "seed": 1, "presence_penalty": 0.1,
        "frequency_penalty": 0.2, "repeat_penalty": 1.1, "repeat_last_n": -1, "ignore_eos": True, "typical_p": 0.9,
        "top_n_sigma": 1.0, "xtc_probability": 0.1, "xtc_threshold": 0.2, "dry_multiplier": 0.8, "dry_base": 2.0,
        "dry_allowed_length": 3, "dry_penalty_last_n": 99, "mirostat": 2, "mirostat_tau": 4.0, "mirostat_eta": 0.2,
        "dynatemp_range": 0.3, "dynatemp_exponent": 1.5,
    }  # fmt: skip
    other = {
        "stop": ["a"], "max_tokens": 7, "logprobs": 2, "dry_sequence_breakers": ["x"], "logit_bias": {"5": -100},
        "grammar": {"kind": "regex", "source": "a"},
    }  # fmt: skip
    params = native(**given, **other).params
    expected = SamplingParams(
        **given,
        stop=("a",),
        max_tokens=7,
        logprobs=2,
        dry_sequence_breakers=("x",),
        logit_bias=((5, -100),),
        grammar=Grammar("regex", "a"),
    )
    assert params == expected
    assert {field.name for field in fields(SamplingParams)} == given.keys() | other.keys()
    assert native().params == SamplingParams(max_tokens=16)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mirostat", 3),
        ("xtc_probability", 1.1),
        ("typical_p", 0),
        ("repeat_last_n", 1 << 30),
        ("dry_sequence_breakers", ["x"] * 17),
        ("logprobs", 21),
        ("logit_bias", {"01": 1}),
        ("logit_bias", {"1": 101}),
        ("logit_bias", {str(number): 1 for number in range(2000)}),
        ("priority", "urgent"),
        ("truncate", "end"),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "a b"}}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "a", "schema": {"title": "x" * 200_000}}}),
    ],
)
def test_fields_out_of_bounds_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        TextCompletionBody.model_validate({"model": "demo", "prompt": "x", field: value})
    assert caught.value.errors()[0]["loc"][0] == field
