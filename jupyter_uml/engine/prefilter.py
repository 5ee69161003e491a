"""The few candidates that can be drawn at all, found by numpy, so that llama.cpp need not look at the whole vocabulary.

What is left out here would be cut by the first sampler of the chain anyway, and what is kept comes in the order in
which that sampler would leave it: the rest of the chain cannot tell the difference.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float32]
Ids = npt.NDArray[np.intp]

_BLOCKS = 4096
_ROUNDING = 1e-5  # of a logit, far above float32's


def allowed(logits: Logits, floor: float = -math.inf) -> Ids:
    """All tokens above `floor`, by number."""
    return np.flatnonzero(logits > floor)


def likeliest(logits: Logits, count: int) -> Ids | None:
    """The `count` likeliest tokens (or as many as are allowed), best first.

    None: two of them are equally likely, or the last one and the next. Their order is then llama.cpp's to decide.
    """
    ids = reaching(logits, count + 1)
    if len(ids) > 64 * count + _BLOCKS:
        return None
    values = logits[ids]
    order = np.argsort(-values)[: count + 1]
    values = values[order]
    return None if (values[1:] == values[:-1]).any() else ids[order[:count]]


def near(logits: Logits, best: float, min_p: float) -> Ids:
    """Tokens at least `min_p` times as likely as the best one, and perhaps a few that miss it by a rounding."""
    return np.flatnonzero(logits >= best + math.log(min_p) - _ROUNDING * (1 + abs(best)))


def reaching(logits: Logits, count: int) -> Ids:
    """The `count` likeliest tokens and a few more, by number.

    The logits are cut into blocks. The `count`-th best of the blocks' maxima is reached by at least `count` logits.
    """
    blocks = min(max(_BLOCKS, 8 * count), len(logits))
    if count >= blocks:
        return allowed(logits)
    rows = len(logits) // blocks
    maxima = logits[: rows * blocks].reshape(rows, blocks).max(axis=0)
    bound = np.partition(maxima, blocks - count)[blocks - count]
    return np.flatnonzero(logits >= bound) if bound > -math.inf else allowed(logits)
