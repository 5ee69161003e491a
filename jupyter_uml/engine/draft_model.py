"""A small model that guesses what a large one will say; the large one checks many guesses in one batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import llama_cpp
import numpy as np

from jupyter_uml.engine.context import Context, Logits, Row
from jupyter_uml.engine.model import Model
from jupyter_uml.errors import EngineError, ModelLoadFailed
from jupyter_uml.types import EffectiveSettings, LoadSettings, ModelSpec

_SIZE_DIFFERENCE = 128  # tokens by which vocabularies of one family differ: padding. llama.cpp allows as many
_FIRST_COMPARED = 5  # the tokens before it are special ones, whose texts differ between files of one family


@dataclass(slots=True)
class _Draft:
    """One sequence on its way: `held` is in the cells, `ahead` is not yet."""

    slot: int
    held: list[int]
    ahead: list[int]
    room: int  # tokens that may still be guessed
    guesses: list[int] = field(default_factory=list)


class DraftModel:
    """A second model with a context of its own: one stream for each slot of the target's. Not thread-safe.

    `settings` are the target's: context length, slots and threads have to be its own.

    Raises:
        ModelLoadFailed: the file cannot be loaded, or its tokens are not the target's.
    """

    def __init__(self, path: str, target: Model, settings: EffectiveSettings) -> None:
        layers = LoadSettings(n_gpu_layers=settings.n_gpu_layers)
        self.model = Model(ModelSpec(f"the draft model of {target.spec.id}", path, layers))
        self.model.pulse = target.pulse  # they take turns
        try:
            difference = _difference(target, self.model)
            if difference:
                raise ModelLoadFailed(f"The draft model does not fit {target.spec.id}: {difference}.")
            n_ctx = min(settings.n_ctx, self.model.info.n_ctx_train)  # beyond it a draft is not worth its time
            self._context = Context(self.model, replace(settings, n_ctx=n_ctx, kv_type="f16"))
        except ModelLoadFailed:
            self.model.close()
            raise
        self._held: list[list[int]] = [[] for _ in range(settings.n_parallel)]

    def close(self) -> None:
        self._context.close()
        self.model.close()

    def forget(self, slot: int) -> None:
        """The slot belongs to another text from now on."""
        self._context.keep(slot, 0)
        self._held[slot] = []

    def propose(self, slot: int, tokens: list[int], count: int, min_probability: float = 0.0) -> list[int]:
        """What follows `tokens`: the likeliest token each time, while it is likelier than `min_probability`."""
        return self.propose_many({slot: (tokens, count)}, min_probability)[slot]

    def propose_many(
        self, wanted: Mapping[int, tuple[list[int], int]], min_probability: float = 0.0
    ) -> dict[int, list[int]]:
        """The same for several slots (slot → tokens, count) in common batches: one for each token guessed ahead.

        A slot whose text the draft model cannot hold gets no guesses.
        """
        drafts = [self._begin(slot, tokens, count) for slot, (tokens, count) in wanted.items()]
        active = [draft for draft in drafts if draft.room > 0]
        try:
            while active:
                logits = self._advance(active)
                for draft, row in zip(active, logits, strict=True):
                    _guess(draft, row, min_probability)
                active = [draft for draft in active if draft.room > 0]
        except EngineError:  # the target answers without it
            for draft in drafts:
                self.forget(draft.slot)
        return {draft.slot: draft.guesses for draft in drafts}

    def _begin(self, slot: int, tokens: list[int], count: int) -> _Draft:
        """Keep what the cells share with `tokens`, less the last token: it is computed again, to have its logits."""
        room = min(count, self._context.n_ctx - len(tokens)) if tokens else 0
        if room <= 0:
            return _Draft(slot, [], [], 0)
        held = self._held[slot]
        kept = self._context.keep(slot, min(_common(held, tokens), len(tokens) - 1))
        del held[kept:]
        return _Draft(slot, held, tokens[kept:], room)

    def _advance(self, drafts: list[_Draft]) -> list[Logits]:
        """Compute what the drafts are ahead of their cells; the logits after the last token of each."""
        while sum(len(draft.ahead) for draft in drafts) > self._context.batch_tokens:
            longest = max(drafts, key=lambda draft: len(draft.ahead))
            self._decode([(longest, min(self._context.batch_tokens, len(longest.ahead) - 1))], n_logits=0)
        return self._decode([(draft, len(draft.ahead)) for draft in drafts], n_logits=1)

    def _decode(self, pieces: list[tuple[_Draft, int]], n_logits: int) -> list[Logits]:
        rows = [Row(draft.slot, len(draft.held), draft.ahead[:count], n_logits) for draft, count in pieces]
        logits = self._context.decode(rows)
        for draft, count in pieces:
            draft.held += draft.ahead[:count]
            del draft.ahead[:count]
        return logits or []  # nobody stops a draft


def _guess(draft: _Draft, logits: Logits, min_probability: float) -> None:
    token = int(logits.argmax())
    if min_probability > 0 and 1 / float(np.exp(logits - logits[token]).sum()) < min_probability:
        draft.room = 0
        return
    draft.guesses.append(token)
    draft.ahead.append(token)
    draft.room -= 1


def _common(first: list[int], second: list[int]) -> int:
    """Length of the common beginning."""
    shorter = min(len(first), len(second))
    if first[:shorter] == second[:shorter]:
        return shorter
    return next(i for i in range(shorter) if first[i] != second[i])


def _difference(target: Model, draft: Model) -> str | None:
    """Why a token of one model does not mean the same to the other; None if it does."""
    kinds = [llama_cpp.llama_vocab_type(model.vocab) for model in (target, draft)]
    if kinds[0] != kinds[1]:
        return "its tokenizer is of another kind"
    for name in ("bos", "eos"):
        first, second = (_marker(model, name) for model in (target, draft))
        if first != second:
            return f"its tokenizer treats the {name.upper()} token differently"
    sizes = target.n_vocab, draft.n_vocab
    if abs(sizes[0] - sizes[1]) > _SIZE_DIFFERENCE:
        return f"it has {sizes[1]} tokens, and the model {sizes[0]}"
    for token in range(_FIRST_COMPARED, min(sizes)):
        if target.token_text(token) != draft.token_text(token):
            return f"token {token} is another text"
    return None


def _marker(model: Model, name: str) -> tuple[bool, int | None]:
    """Whether every text gets the token at its beginning or end, and then, which."""
    adds = bool(getattr(llama_cpp, f"llama_vocab_get_add_{name}")(model.vocab))
    return adds, int(getattr(llama_cpp, f"llama_vocab_{name}")(model.vocab)) if adds else None
