"""What is known of a saved KV state without its bytes, and finding the one that saves most of a prompt."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jupyter_uml.engine.prefix_tree import WIDTH, PrefixTree, packed, unpacked


@dataclass(frozen=True, slots=True)
class StoredState:
    """The state of one sequence. `cuttable`: any beginning of it can be used, by removing the cells after it.

    Recurrent models and sliding windows have states that are good for all their tokens or for none.
    """

    principal: str  # SHA-256, so that no name stands on the disk
    key: bytes  # the tokens, packed: 9 times smaller than a tuple
    size: int  # bytes of the state
    cuttable: bool

    @classmethod
    def of(cls, principal: str, tokens: Sequence[int], size: int, cuttable: bool) -> StoredState:
        return cls(principal_hash(principal), packed(tokens), size, cuttable)

    @property
    def tokens(self) -> tuple[int, ...]:
        return tuple(unpacked(self.key))

    @property
    def n_tokens(self) -> int:
        return len(self.key) // WIDTH

    @property
    def name(self) -> str:
        """Equal states have equal names, in every process."""
        about = f"{self.principal} {self.size} {self.cuttable:d} "
        return hashlib.sha256(about.encode() + self.key).hexdigest()[:40]

    def replaces(self, other: StoredState) -> bool:
        """Whether `other` is of no use beside this one."""
        same_owner = self.principal == other.principal
        return same_owner and (self.key.startswith(other.key) if self.cuttable else self.key == other.key)


def principal_hash(principal: str) -> str:
    return hashlib.sha256(principal.encode(errors="surrogatepass")).hexdigest()


class StateIndex:
    """Stored states, found by the tokens with which they begin; nobody finds another principal's."""

    def __init__(self) -> None:
        self._trees: dict[str, PrefixTree[StoredState]] = {}

    def __contains__(self, state: StoredState) -> bool:
        return state in self._trees.get(state.principal, ())

    def __iter__(self) -> Iterator[StoredState]:
        for tree in self._trees.values():
            yield from tree

    def add(self, state: StoredState) -> None:
        self._trees.setdefault(state.principal, PrefixTree()).put(state, unpacked(state.key))

    def remove(self, state: StoredState) -> None:
        tree = self._trees.get(state.principal)
        if tree is not None:
            tree.remove(state)
            if not tree:
                del self._trees[state.principal]

    def find(self, owner: str, tokens: Sequence[int]) -> tuple[StoredState, int] | None:
        """The state of principal hash `owner` that saves most of `tokens`, the smallest of them, and how many."""
        best: tuple[StoredState, int] | None = None
        for state, shared in self._ranked(owner, tokens):
            if best is not None and shared < best[1]:
                break
            usable = state.cuttable or shared == state.n_tokens
            if usable and (best is None or state.size < best[0].size):
                best = state, shared
        return best

    def replaced_by(self, state: StoredState) -> list[StoredState]:
        """The others that are of no use beside `state`."""
        tree = self._trees.get(state.principal)
        shorter = tree.beginnings(unpacked(state.key)) if tree is not None else ()
        return [other for other in shorter if other != state and state.replaces(other)]

    def replaces(self, state: StoredState) -> StoredState | None:
        """One that makes `state` needless: it holds the same tokens, or more of them and can be cut."""
        for other, shared in self._ranked(state.principal, unpacked(state.key)):
            if shared < state.n_tokens:
                break
            if other.replaces(state):
                return other
        return None

    def _ranked(self, owner: str, tokens: Sequence[int]) -> Iterator[tuple[StoredState, int]]:
        tree = self._trees.get(owner)
        return iter(()) if tree is None else tree.ranked(tokens)
