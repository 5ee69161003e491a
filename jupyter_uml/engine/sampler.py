"""llama.cpp's sampler chain for one sequence."""

from __future__ import annotations

import secrets

import llama_cpp

from jupyter_uml.engine.model import Context, Model
from jupyter_uml.types import SamplingParams

# llama.cpp's own defaults (common/common.h), for what neither the request nor the model's file says.
_DEFAULTS = {"temp": 0.8, "top_k": 40.0, "top_p": 0.95, "min_p": 0.05}
_PENALTY_WINDOW = 64
_GREEDY_BELOW = 1e-5  # logits divided by less overflow


class Sampler:
    """Chooses the next token: penalties, then top-k, top-p, min-p, temperature and a seeded draw, or the likeliest."""

    def __init__(self, model: Model, params: SamplingParams) -> None:
        chain_params = llama_cpp.llama_sampler_chain_default_params()
        chain_params.no_perf = True
        self._chain = llama_cpp.llama_sampler_chain_init(chain_params)
        if params.repeat_penalty != 1.0 or params.frequency_penalty or params.presence_penalty:
            self._add(
                llama_cpp.llama_sampler_init_penalties(
                    model.n_vocab,
                    _PENALTY_WINDOW,
                    params.repeat_penalty,
                    params.frequency_penalty,
                    params.presence_penalty,
                )
            )
        temperature = self._value(model, "temp", params.temperature)
        if temperature < _GREEDY_BELOW:
            self._add(llama_cpp.llama_sampler_init_greedy())
            return
        self._add(llama_cpp.llama_sampler_init_top_k(int(self._value(model, "top_k", params.top_k))))
        self._add(llama_cpp.llama_sampler_init_top_p(self._value(model, "top_p", params.top_p), 1))
        self._add(llama_cpp.llama_sampler_init_min_p(self._value(model, "min_p", params.min_p), 1))
        self._add(llama_cpp.llama_sampler_init_temp(temperature))
        seed = params.seed if params.seed is not None else secrets.randbits(32)
        self._add(llama_cpp.llama_sampler_init_dist(seed & 0xFFFFFFFF))

    def sample(self, context: Context, row: int) -> int:
        """The next token from the logits of batch row `row`."""
        return int(llama_cpp.llama_sampler_sample(self._chain, context.handle, row))

    def close(self) -> None:
        if self._chain:
            llama_cpp.llama_sampler_free(self._chain)
            self._chain = None

    def _add(self, sampler: llama_cpp.llama_sampler_p) -> None:
        llama_cpp.llama_sampler_chain_add(self._chain, sampler)

    @staticmethod
    def _value(model: Model, name: str, asked: float | None) -> float:
        if asked is not None:
            return asked
        recommended = model.recommended(name)
        return recommended if recommended is not None else _DEFAULTS[name]
