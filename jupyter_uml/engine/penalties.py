"""Penalties for repetition. They change the logits of recent tokens only, so llama.cpp gets to see no others."""

from __future__ import annotations

import ctypes
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

import llama_cpp
import numpy as np

from jupyter_uml.engine.chain import Chain, candidates
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.parameters import MAX_WINDOW
from jupyter_uml.engine.prefilter import Logits
from jupyter_uml.types import SamplingParams


class Penalties:
    """Repetition, frequency and presence penalties, and DRY, over the last tokens of prompt and answer."""

    def __init__(self, model: Model, params: SamplingParams, prompt: Sequence[int]) -> None:
        everything = min(model.info.n_ctx_train, MAX_WINDOW)
        window = everything if params.repeat_last_n < 0 else min(everything, params.repeat_last_n)
        dry_window = everything if params.dry_penalty_last_n < 0 else min(everything, params.dry_penalty_last_n)
        self._chain = Chain(_samplers(model, params, window, dry_window))
        self._recent: deque[int] = deque(maxlen=max(window, dry_window))
        self._counts: Counter[int] = Counter()
        for token in prompt[max(0, len(prompt) - max(window, dry_window)) :]:
            self.accept(token)

    @staticmethod
    def wanted(params: SamplingParams) -> bool:
        plain = params.repeat_penalty != 1 or params.frequency_penalty or params.presence_penalty
        return bool(plain and params.repeat_last_n) or bool(params.dry_multiplier and params.dry_penalty_last_n)

    def apply(self, logits: Logits) -> None:
        ids = np.fromiter(self._counts, np.intp, len(self._counts))
        tokens = candidates(ids, logits)
        self._chain.change(tokens)
        logits[ids] = tokens["logit"]

    def accept(self, token: int) -> None:
        if len(self._recent) == self._recent.maxlen:
            oldest = self._recent[0]
            self._counts[oldest] -= 1
            if not self._counts[oldest]:
                del self._counts[oldest]
        self._recent.append(token)
        self._counts[token] += 1
        self._chain.accept(token)

    def close(self) -> None:
        self._chain.close()


def _samplers(model: Model, params: SamplingParams, window: int, dry_window: int) -> Iterator[Any]:
    """In llama.cpp's default order."""
    yield llama_cpp.llama_sampler_init_penalties(
        model.n_vocab, window, params.repeat_penalty, params.frequency_penalty, params.presence_penalty
    )
    if params.dry_multiplier and dry_window:
        breakers = [text.encode(errors="replace") for text in params.dry_sequence_breakers]
        yield llama_cpp.llama_sampler_init_dry(
            model.vocab,
            params.dry_multiplier,
            params.dry_base,
            params.dry_allowed_length,
            dry_window,
            (ctypes.c_char_p * len(breakers))(*breakers),
            len(breakers),
        )
