"""Tokens of texts that begin alike, as the rows of a table do or a conversation that goes on: only what is new is
tokenized, a thousand words of instructions take 8 ms each time otherwise.

A text may be cut where a word ends and a space begins another one: tokenizers look no further than that. Whether this
one holds to it is seen each time from the earlier text, which was tokenized without this cut.
"""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable

WORTH = 1000  # characters; a shorter text costs less than looking for another one
_REMEMBERED = 16  # texts, of all principals
_DISTANCE = 64  # characters between a cut and the first one that differs: more than a token has, or a word
_CUTS = 8  # that are tried

Tokenize = Callable[[str, bool], list[int]]  # a text, and whether it begins a prompt
_Key = tuple[str, bool, str]  # principal, whether it begins a prompt, text


class SharedBeginnings:
    """Texts of one principal help each other only: nobody learns by the time it takes what another one asked. Several
    threads may call it."""

    def __init__(self, tokenize: Tokenize) -> None:
        self._tokenize = tokenize
        self._known: OrderedDict[_Key, array[int]] = OrderedDict()
        self._lock = threading.Lock()

    def tokenize(self, text: str, begins: bool, principal: str) -> list[int]:
        """The tokens of a text. `begins`: what stands before all prompts is to be added."""
        if len(text) < WORTH:
            return self._tokenize(text, begins)
        key = (principal, begins, text)
        tokens = self._by_another(key)
        if tokens is None:
            tokens = self._tokenize(text, begins)
        with self._lock:
            self._known[key] = array("i", tokens)
            self._known.move_to_end(key)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return tokens

    def _by_another(self, key: _Key) -> list[int] | None:
        """With the tokens of the earlier text that begins most like it; None: there is none, or no place to cut."""
        text = key[2]
        with self._lock:
            known = [(other[2], tokens) for other, tokens in self._known.items() if other[:2] == key[:2]]
        shared, earlier, tokens = max(
            ((common_length(text, other), other, tokens) for other, tokens in known), default=(0, "", array("i"))
        )
        cut = shared - _DISTANCE
        for _ in range(_CUTS if shared >= WORTH else 0):
            cut = _word_end(text, cut)
            rest = array("i", self._tokenize(earlier[cut:], False)) if cut > WORTH // 2 else array("i")
            before = len(tokens) - len(rest)
            if rest and before > 0 and tokens[before:] == rest:
                return tokens[:before].tolist() + self._tokenize(text[cut:], False)
        return None


def common_length(first: str, second: str) -> int:
    """Characters with which both begin; by halving, as comparing slices is a hundred times faster than characters."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _word_end(text: str, before: int) -> int:
    """The last place before `before` at which a word ends and a space begins the next one; -1: there is none."""
    while (before := text.rfind(" ", 1, before)) > 0:
        around = text[before - 1] + text[before + 1 : before + 2]
        if len(around) == 2 and around.isascii() and around.isalpha():
            return before
    return -1
