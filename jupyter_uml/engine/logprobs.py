"""Log-probabilities of a token and of the likeliest ones, as the model gave them: before any penalty, cut or mask."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from jupyter_uml.engine.prefilter import Logits, reaching
from jupyter_uml.types import Alternative, TokenLogprob


def token_logprob(logits: Logits, token: int, top: int, piece: Callable[[int], bytes]) -> TokenLogprob:
    """The natural logarithm of softmax(`logits`) at `token` and at the `top` best, equals by number."""
    best = float(logits.max())
    total = best + math.log(float(np.exp(logits - best).sum(dtype=np.float64)))

    def alternative(number: int) -> Alternative:
        return Alternative(number, piece(number), float(logits[number]) - total)

    return TokenLogprob(alternative(token), tuple(alternative(number) for number in _best(logits, top)))


def _best(logits: Logits, count: int) -> list[int]:
    if not count:
        return []
    ids = reaching(logits, count)
    return [int(number) for number in ids[np.argsort(-logits[ids], kind="stable")][:count]]
