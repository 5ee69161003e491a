"""How many tokens of one sequence to guess ahead, so that checking them pays on this machine.

A guess that is wrong costs time, a look at what would have been guessed costs none: every generated token is compared
with it, whether it was proposed or not. So the chance of being right is known before anything is spent on it, and a
text without repetition is left alone. What may still be lost is bounded by an account: a proposal must be covered by
what earlier ones have won, and by an allowance of one part in a hundred. All answers share it: what one of them found
out need not be paid for again by the next.
"""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_uml.engine.prompt_lookup import PromptLookup
from jupyter_uml.engine.step_costs import StepCosts

LONGEST = 48  # tokens proposed at once, at most
_OVERLAP = 32  # tokens of the prompt that the earlier answer is joined to
_MARGIN = 1.03  # what pays less is noise
_HOPELESS = 0.05  # tokens less likely than this to be reached are not looked at
_MEMORY = 0.95  # a text changes its character: its last twenty guesses count, the experience of all lasts longer
_ALLOWANCE = 0.01  # plain steps that each generated token adds to the account
_STAKE = 0.5  # share of the account that one proposal may lose: all of it would end in ruin
_OPENING, _CEILING = 2.0, 8.0  # plain steps in the account at first and at most


class Acceptance:
    """How often a guess is right, by the length of the match it rests on. `prior`: what is believed before counting."""

    _START = (0.2, 0.2, 0.45, 0.7, 0.85, 0.92, 0.95)  # for matches of 0, 1, 2–3, 4–7, 8–15, 16–31, 32 tokens

    def __init__(self, prior: Acceptance | None = None, strength: float = 3.0, memory: float = 0.998) -> None:
        """`strength`: guesses that the prior is worth; `memory`: weight of the past against one more guess."""
        self._prior, self._strength, self._memory = prior, strength, memory
        self._right = [[0.0] * len(self._START) for _ in range(2)]
        self._all = [[0.0] * len(self._START) for _ in range(2)]

    def rate(self, from_before: bool, match: int) -> float:
        return self._rate(from_before, _bucket(match))

    def add(self, from_before: bool, match: int, right: bool) -> None:
        bucket = _bucket(match)
        self._right[from_before][bucket] = self._memory * self._right[from_before][bucket] + right
        self._all[from_before][bucket] = self._memory * self._all[from_before][bucket] + 1
        if self._prior is not None:
            self._prior.add(from_before, match, right)

    def _rate(self, from_before: bool, bucket: int) -> float:
        prior = self._START[bucket] if self._prior is None else self._prior._rate(from_before, bucket)
        right, total = self._right[from_before][bucket], self._all[from_before][bucket]
        return (right + self._strength * prior) / (total + self._strength)


class Account:
    """What guesses may still lose, in plain steps: batches without any guess."""

    def __init__(self) -> None:
        self.balance = _OPENING

    def add(self, steps: float) -> None:
        self.balance = min(_CEILING, self.balance + steps)


class Speculator:
    """Guesses for one sequence.

    `earlier`: how an earlier answer to the same prompt went on. It is followed while the new answer agrees with it, and
    searched like the prompt afterwards. `common` and `account`: the experience and the winnings of all sequences.
    """

    def __init__(
        self,
        tokens: list[int],
        earlier: Sequence[int] = (),
        common: Acceptance | None = None,
        account: Account | None = None,
    ) -> None:
        self._lookup = PromptLookup(tokens, [*tokens[-_OVERLAP:], *earlier] if earlier else ())
        self._acceptance = Acceptance(common, memory=_MEMORY)
        self._account = account or Account()
        self._stake, self._prize = 0.0, 0.0  # plain steps that a guess of the last proposal costs, and wins if right

    def extend(self, tokens: Sequence[int]) -> None:
        """These tokens were generated, proposed or not."""
        lookup = self._lookup
        for token in tokens:
            if lookup.match:
                self._acceptance.add(lookup.from_before, lookup.match, token == lookup.guess)
            lookup.extend((token,))
            self._account.add(_ALLOWANCE)

    def propose(self, room: int, costs: StepCosts, other_rows: int) -> list[int]:
        """The tokens to check in the next batch, at most `room`; none where that does not pay now.

        `other_rows`: decode rows of other sequences in this batch. Their time counts as much as this one's: the
        proposal is the one that yields most tokens a second for all of them together.
        """
        plain = costs.seconds(other_rows + 1)
        if plain is None or not self._lookup.match or room < 1:
            return []
        guesses = self._lookup.propose(min(room, LONGEST))
        best, best_rate, cost = 0, _MARGIN * (other_rows + 1) / plain, 0.0
        expected = chance = 1.0
        for count in range(1, len(guesses) + 1):
            chance *= self._acceptance.rate(self._lookup.from_before, self._lookup.match + count - 1)
            expected += chance
            seconds = costs.seconds(other_rows + 1 + count) or plain
            if chance < _HOPELESS or seconds - plain > _STAKE * self._account.balance * plain:
                break
            if (other_rows + expected) / seconds > best_rate:
                best, best_rate, cost = count, (other_rows + expected) / seconds, seconds / plain - 1
        self._stake, self._prize = cost / max(best, 1), 1 / (other_rows + 1)
        return guesses[:best]

    def judge(self, proposed: int, accepted: int) -> None:
        """The outcome of the last proposal: so many of its tokens were checked, so many were right."""
        self._account.add(accepted * self._prize - proposed * self._stake)


def _bucket(match: int) -> int:
    return min(match, 32).bit_length()
