"""Chooses the tokens of one answer.

In llama.cpp's default order: biases, penalties, DRY, top-n-sigma, top-k, typical, top-p, min-p, XTC, temperature, draw.
Tokens that are forbidden (a bias of -100, the grammar) are no candidates at all. Where the cuts leave few candidates,
numpy finds these and llama.cpp sees only them, with the same result.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import llama_cpp
import numpy as np

from jupyter_uml.engine import prefilter
from jupyter_uml.engine.chain import Chain, candidates
from jupyter_uml.engine.grammar import GrammarMatcher
from jupyter_uml.engine.logprobs import token_logprob
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.parameters import FORBIDDING, Resolved, check, resolve
from jupyter_uml.engine.penalties import Penalties
from jupyter_uml.engine.prefilter import Ids, Logits
from jupyter_uml.engine.vocabulary import Vocabulary, vocabulary
from jupyter_uml.errors import EngineError, InvalidRequest
from jupyter_uml.types import Grammar, SamplingParams, TokenLogprob

_FEW = 4096  # candidates that numpy sorts faster than llama.cpp builds its array of the whole vocabulary
_IMPOSSIBLE = 69.0  # below the best logit: a probability under 1e-30, with which typical sampling comes to NaN
_MIROSTAT_CANDIDATES = 100  # that version 1 estimates from, as in llama.cpp


@dataclass(frozen=True, slots=True)
class Sampled:
    token: int
    logprob: TokenLogprob | None


class Sampler:
    """Holds all that one answer's choices depend on; each choice changes it.

    Raises:
        InvalidRequest: a value out of bounds, or a grammar that cannot be followed; `param` names the field.
    """

    def __init__(self, model: Model, params: SamplingParams, prompt: Sequence[int]) -> None:
        check(params, model.n_vocab)
        words = vocabulary(model)
        self._params, self._piece = params, model.piece
        self._grammar: GrammarMatcher | None = None
        self._ends: set[int] = set()
        if params.grammar is not None:
            self._grammar = GrammarMatcher(words.compiled(params.grammar), words.tokenizer, params.grammar)
            self._ends = set(words.ends)
        self._bias = _biases(words, params)
        self._banned = set(self._bias[0][self._bias[1] == -np.inf].tolist())
        self._cuts = resolve(model, params)
        self._greedy = _is_greedy(params, self._cuts)
        self._penalties = Penalties(model, params, prompt) if Penalties.wanted(params) else None
        self._sigma = Chain([llama_cpp.llama_sampler_init_top_n_sigma(params.top_n_sigma)])
        self._chain = Chain(_choosing(model.n_vocab, params, self._cuts))

    @property
    def ended(self) -> bool:
        """The grammar is complete: nothing may follow."""
        return self._grammar is not None and self._grammar.ended

    def sample(self, logits: Logits) -> Sampled:
        """The next token, taken as chosen. `logits`, one for each token of the vocabulary, are changed.

        Raises:
            EngineError: the logits are no numbers.
            InvalidRequest: no token is left, or the grammar has become too complex.
        """
        raw = logits.copy() if self._params.logprobs is not None else None
        self._adjust(logits)
        token = self._draw_fitting(logits)
        if self._penalties:
            self._penalties.accept(token)
        if raw is None:
            return Sampled(token, None)
        return Sampled(token, token_logprob(raw, token, self._params.logprobs or 0, self._piece))

    def forced(self, room: int) -> list[int]:
        """Tokens, at most `room`, which the grammar leaves no choice about; they are taken as chosen.

        None where log-probabilities are asked for: these are the model's, which must have seen every token.
        """
        if self._grammar is None or room < 1 or self._params.logprobs is not None:
            return []
        taken: list[int] = []
        for token in self._grammar.forced()[:room]:
            if token in self._banned or token in self._ends or not self._grammar.accept(token):
                break
            if self._penalties:
                self._penalties.accept(token)
            taken.append(token)
        return taken

    def take(self, tokens: Sequence[int]) -> bool:
        """Tokens that come next by decree. False, and nothing has changed, where the grammar forbids it."""
        if self._grammar is not None and not self._grammar.accept_all(tokens):
            return False
        if self._penalties:
            for token in tokens:
                self._penalties.accept(token)
        return True

    def close(self) -> None:
        self._chain.close()
        self._sigma.close()
        if self._penalties:
            self._penalties.close()

    def _adjust(self, logits: Logits) -> None:
        ids, biases = self._bias
        if len(ids):
            logits[ids] += biases
        if self._penalties:
            self._penalties.apply(logits)

    def _draw_fitting(self, logits: Logits) -> int:
        """Most tokens fit the grammar anyway, so the mask of all that fit is made only where the first draw does not.

        The second draw is a fresh one: whatever was drawn first, the tokens that fit keep their proportions. Mirostat
        learns from each draw, so it gets only one.
        """
        if self._grammar is None:
            return self._draw(logits)
        if not self._params.mirostat:
            token = self._draw(logits)
            if self._grammar.accept(token):
                return token
        self._grammar.forbid(logits)
        token = self._draw(logits)
        if not self._grammar.accept(token):
            raise self._grammar.refused("it allows a token that must not be written")
        return token

    def _draw(self, logits: Logits) -> int:
        likeliest = int(logits.argmax())
        best = float(logits[likeliest])
        if not math.isfinite(best):
            raise self._nothing_to_choose(best)
        if self._greedy:
            return likeliest
        if self._params.top_n_sigma > 0 and not self._params.mirostat:
            logits = self._spread(logits)
        ids, is_sorted = self._candidates(logits, best)
        return self._chain.draw(candidates(ids, logits), is_sorted, likeliest)

    def _spread(self, logits: Logits) -> Logits:
        """Top-n-sigma: its standard deviation is that of all allowed tokens."""
        ids = prefilter.allowed(logits)
        tokens = candidates(ids, logits)
        self._sigma.change(tokens)
        left = np.full_like(logits, -np.inf)
        left[ids] = tokens["logit"]
        return left

    def _candidates(self, logits: Logits, best: float) -> tuple[Ids, bool]:
        """What the chain is to see, and whether the likeliest comes first: a few where they will do, else all."""
        cuts, typical = self._cuts, self._params.typical_p < 1
        floor = best - _IMPOSSIBLE - abs(best) * 1e-6 if typical else -math.inf
        if not self._params.mirostat:
            if 0 < cuts.top_k <= _FEW:
                ids = prefilter.likeliest(logits, cuts.top_k)
                if ids is not None:
                    return ids[logits[ids] > floor] if typical else ids, True
            elif not cuts.top_k and not typical and cuts.top_p >= 1 and cuts.min_p > 0:
                return prefilter.near(logits, best, cuts.min_p), False
        return prefilter.allowed(logits, floor), False

    def _nothing_to_choose(self, best: float) -> EngineError | InvalidRequest:
        if best != -math.inf:
            return EngineError("The model computed logits that are no numbers.")
        if self._grammar is not None:
            return self._grammar.refused("no token is left that fits it and is not forbidden")
        return InvalidRequest("logit_bias forbids every token there is.", param="logit_bias")


def prepare(model: Model, grammar: Grammar | None) -> None:
    """What is slow about a `Sampler`, done beforehand: the first grammar of a model takes a second, each new one up to
    another. For a thread beside the one that decodes.

    Raises:
        InvalidRequest: the grammar cannot be followed.
    """
    if grammar is not None:
        vocabulary(model).compiled(grammar)


def _biases(words: Vocabulary, params: SamplingParams) -> tuple[Ids, Logits]:
    """Tokens and what is added to their logits."""
    biases: dict[int, float] = {}
    for token, bias in params.logit_bias:
        biases[token] = biases.get(token, 0.0) + (bias if bias > FORBIDDING else -math.inf)
    forbidden = (*words.suppressed, *(words.ends if params.ignore_eos else ()))
    biases.update(dict.fromkeys(forbidden, -math.inf))
    return np.array(list(biases), np.intp), np.array(list(biases.values()), np.float32)


def _is_greedy(params: SamplingParams, cuts: Resolved) -> bool:
    """Without a temperature the likeliest token wins, unless a sampler is there that may cut that one."""
    if cuts.temperature > 0 or params.dynatemp_range > 0:
        return False
    return bool(params.mirostat) or (params.typical_p >= 1 and params.xtc_probability <= 0)


def _choosing(n_vocab: int, params: SamplingParams, cuts: Resolved) -> Iterator[Any]:
    """The samplers from top-k to the draw."""
    # 32 bits, of which llama.cpp takes all ones for "a new one each time".
    seed = (params.seed if params.seed is not None else secrets.randbits(32)) % 0xFFFFFFFF
    tau, eta = params.mirostat_tau, params.mirostat_eta
    if params.mirostat:
        yield llama_cpp.llama_sampler_init_temp(cuts.temperature)
        if params.mirostat == 1:
            yield llama_cpp.llama_sampler_init_mirostat(n_vocab, seed, tau, eta, _MIROSTAT_CANDIDATES)
        else:
            yield llama_cpp.llama_sampler_init_mirostat_v2(seed, tau, eta)
        return
    yield llama_cpp.llama_sampler_init_top_k(cuts.top_k)
    yield llama_cpp.llama_sampler_init_typical(params.typical_p, 1)
    yield llama_cpp.llama_sampler_init_top_p(cuts.top_p, 1)
    yield llama_cpp.llama_sampler_init_min_p(cuts.min_p, 1)
    yield llama_cpp.llama_sampler_init_xtc(params.xtc_probability, params.xtc_threshold, 1, seed)
    yield llama_cpp.llama_sampler_init_temp_ext(cuts.temperature, params.dynatemp_range, params.dynatemp_exponent)
    yield llama_cpp.llama_sampler_init_dist(seed)
