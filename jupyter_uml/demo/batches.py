"""Batches of tokenised conversations: little padding, loss where the model is to speak."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from .corpus import Corpus, Renderer

ANSWER, QUESTION, SYSTEM = 1, 2, 3


@dataclass(frozen=True)
class MicroBatch:
    """Ids and, for each, who wrote it (0 for padding): both (batch, length)."""

    ids: torch.Tensor
    kinds: torch.Tensor


def mark_kinds(ids: NDArray[np.int64], tokenizer: Tokenizer) -> NDArray[np.int64]:
    """Who wrote each token: the assistant's turns up to and with `<|im_end|>`, the user's, the rest."""
    start, end = tokenizer.token_to_id("<|im_start|>"), tokenizer.token_to_id("<|im_end|>")
    roles = {role: tokenizer.encode(f"{role}\n").ids for role in ("assistant", "user")}
    kinds = np.full(len(ids), SYSTEM, dtype=np.int64)
    for begin in np.flatnonzero(ids == start):
        stop = begin + int(np.argmax(ids[begin:] == end))
        for role, kind in (("assistant", ANSWER), ("user", QUESTION)):
            head = begin + 1 + len(roles[role])
            if list(ids[begin + 1 : head]) == roles[role]:
                kinds[head : stop + 1] = kind
    return kinds


class BatchSource:
    """Endless steps, each a list of micro-batches from different lengths; the same for the same seed."""

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer, seed: int, context: int) -> None:
        self.corpus, self.tokenizer, self.seed, self.context = corpus, tokenizer, seed, context
        self.pool_size, self.micro_tokens, self.micro_count = 1024, 1152, 3
        self._render = Renderer()

    def steps(self) -> Iterator[list[MicroBatch]]:
        """One list of micro-batches for each optimiser step."""
        waiting: list[MicroBatch] = []
        number = 0
        while True:
            while len(waiting) < self.micro_count:
                waiting += self._pool(number)
                number += 1
            yield waiting[: self.micro_count]
            waiting = waiting[self.micro_count :]

    def _pool(self, number: int) -> list[MicroBatch]:
        rng = random.Random(f"pool {self.seed} {number}")
        texts = [self._render(self.corpus.draw(rng)) for _ in range(self.pool_size)]
        samples = [np.array(encoding.ids[: self.context]) for encoding in self.tokenizer.encode_batch(texts)]
        samples.sort(key=len)
        batches: list[MicroBatch] = []
        group: list[NDArray[np.int64]] = []
        for sample in samples:
            if group and (len(group) + 1) * len(sample) > self.micro_tokens:
                batches.append(self._pad(group))
                group = []
            group.append(sample)
        batches.append(self._pad(group))
        rng.shuffle(batches)
        return batches

    def _pad(self, group: list[NDArray[np.int64]]) -> MicroBatch:
        ids = np.zeros((len(group), max(len(sample) for sample in group)), dtype=np.int64)
        kinds = np.zeros_like(ids)
        for row, sample in enumerate(group):
            ids[row, : len(sample)] = sample
            kinds[row, : len(sample)] = mark_kinds(sample, self.tokenizer)
        return MicroBatch(torch.from_numpy(ids), torch.from_numpy(kinds))
