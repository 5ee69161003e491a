"""Sampling parameters: their bounds, and what holds where a request says nothing."""

from __future__ import annotations

import math
from typing import NamedTuple

from jupyter_uml.engine.model import Model
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import MAX_TOP_LOGPROBS, SamplingParams

MAX_WINDOW = 1 << 20  # tokens that penalties look back
MAX_BIASES = 4096
MAX_BREAKERS = 16  # llama.cpp reads the whole vocabulary for each
FORBIDDING = -100.0  # a bias of this and less
_GREEDY_BELOW = 1e-5  # logits divided by less overflow

_BOUNDS: dict[str, tuple[float, float]] = {
    "temperature": (0, 100),
    "top_k": (0, 1 << 30),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "typical_p": (0, 1),
    "top_n_sigma": (-1, 1000),
    "presence_penalty": (-100, 100),
    "frequency_penalty": (-100, 100),
    "repeat_penalty": (0.01, 100),
    "repeat_last_n": (-1, MAX_WINDOW),
    "logprobs": (0, MAX_TOP_LOGPROBS),
    "xtc_probability": (0, 1),
    "xtc_threshold": (0, 1),
    "dry_multiplier": (0, 100),
    "dry_base": (0, 100),
    "dry_allowed_length": (0, MAX_WINDOW),
    "dry_penalty_last_n": (-1, MAX_WINDOW),
    "mirostat": (0, 2),
    "mirostat_tau": (0, 100),
    "mirostat_eta": (0, 1),
    "dynatemp_range": (0, 100),
    "dynatemp_exponent": (0, 100),
}


class Resolved(NamedTuple):
    """What the request says, else the model's file, else llama.cpp (common/common.h)."""

    temperature: float
    top_k: int
    top_p: float
    min_p: float


def check(params: SamplingParams, n_vocab: int) -> None:
    """Refuse what llama.cpp could not compute with.

    Raises:
        InvalidRequest: a value is out of bounds; `param` names it.
    """
    for name, (low, high) in _BOUNDS.items():
        value = getattr(params, name)
        if value is not None and not low <= value <= high:  # NaN is not
            raise InvalidRequest(f"{name} must be between {low:g} and {high:g}.", param=name)
    if len(params.dry_sequence_breakers) > MAX_BREAKERS:
        raise InvalidRequest(f"There may be {MAX_BREAKERS} of them at most.", param="dry_sequence_breakers")
    if len(params.logit_bias) > MAX_BIASES:
        raise InvalidRequest(f"logit_bias may name {MAX_BIASES} tokens at most.", param="logit_bias")
    for token, bias in params.logit_bias:
        if not 0 <= token < n_vocab or math.isnan(bias) or bias == math.inf:
            raise InvalidRequest(
                f"logit_bias gives numbers to tokens; the vocabulary has {n_vocab} of them.", param="logit_bias"
            )


def resolve(model: Model, params: SamplingParams) -> Resolved:
    def value(name: str, asked: float | None, default: float, bound: float) -> float:
        return asked if asked is not None else _recommended(model, name, default, bound)

    temperature = value("temp", params.temperature, 0.8, 100)
    return Resolved(
        temperature=temperature if temperature >= _GREEDY_BELOW else 0.0,
        top_k=int(value("top_k", params.top_k, 40, 1 << 30)),
        top_p=value("top_p", params.top_p, 0.95, 1),
        min_p=value("min_p", params.min_p, 0.05, 1),
    )


def _recommended(model: Model, name: str, default: float, bound: float) -> float:
    """What the file's author recommends; the default where that is no sensible number."""
    try:
        value = model.recommended(name)
    except ValueError:
        return default
    return value if value is not None and 0 <= value <= bound else default
