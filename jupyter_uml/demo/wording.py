"""Noise for questions: letter case, punctuation, courtesies, synonyms, dropped words, typing errors."""

import random
import re

from .templates import read_toml

_WORDS = read_toml("words.toml")
_STOP_WORDS = frozenset(_WORDS["stop_words"])
_QUESTION_WORDS = frozenset(_WORDS["question_words"])
_PREFIXES: list[str] = _WORDS["prefixes"]
_SUFFIXES: list[str] = _WORDS["suffixes"]
_NEIGHBOURS: dict[str, str] = _WORDS["neighbours"]


def _alternatives(groups: list[str], one_way: list[str]) -> dict[str, list[str]]:
    alternatives: dict[str, list[str]] = {}
    for group in map(str.split, groups):
        for word in group:
            alternatives.setdefault(word, []).extend(other for other in group if other != word)
    return {word: others for word, others in alternatives.items() if word not in one_way}


_ALTERNATIVES = _alternatives(_WORDS["synonyms"], _WORDS["one_way"])


def reword(text: str, rng: random.Random, courtesy: bool = True) -> str:
    """The question as somebody else might type it; `courtesy` allows words before and after it."""
    is_question = text.endswith("?") or text.split(" ", 1)[0].lower() in _QUESTION_WORDS
    words = text.rstrip("?.! ").split()
    if rng.random() < 0.3:
        words = [_synonym(word, rng) for word in words]
    if rng.random() < 0.12:
        words = _drop_words(words, rng)
    if rng.random() < 0.22:
        words = _mistype(words, rng)
    text = " ".join(words)
    if courtesy:
        text = _add_courtesy(text, rng)
    return _set_case(text, rng) + _ending(is_question, rng)


def _synonym(word: str, rng: random.Random) -> str:
    bare = word.strip(",;:").lower()
    options = _ALTERNATIVES.get(bare)
    return rng.choice(options) if options and rng.random() < 0.3 else word


def _drop_words(words: list[str], rng: random.Random) -> list[str]:
    """Drops stop words: one of them, or in one case of four all; content words stay."""
    droppable = [i for i, word in enumerate(words) if word.lower() in _STOP_WORDS]
    if len(words) - len(droppable) < 2 or not droppable:
        return words
    gone = set(droppable) if rng.random() < 0.25 else {rng.choice(droppable)}
    return [word for i, word in enumerate(words) if i not in gone]


def _mistype(words: list[str], rng: random.Random) -> list[str]:
    candidates = [i for i, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    words = list(words)
    for i in rng.sample(candidates, min(len(candidates), 2 if rng.random() < 0.2 else 1)):
        words[i] = _misspell(words[i], rng)
    return words


def _misspell(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word) - 1)
    match rng.randrange(4):
        case 0:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case 1:
            return word[:at] + word[at + 1 :]
        case 2:
            return word[:at] + word[at] + word[at:]
        case _:
            near = _NEIGHBOURS.get(word[at].lower(), word[at])
            return word[:at] + rng.choice(near) + word[at + 1 :]


def _add_courtesy(text: str, rng: random.Random) -> str:
    if rng.random() < 0.15:
        prefix = rng.choice(_PREFIXES)
        text = f"{prefix if rng.random() < 0.7 else prefix.rstrip(',:')} {text}"
    if rng.random() < 0.1:
        suffix = rng.choice(_SUFFIXES)
        text = f"{text}{'' if suffix.startswith(',') else ' '}{suffix}"
    return text


def _set_case(text: str, rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.55:
        text = re.sub(r"\bi\b(?!')|\bi(?='(?:m|d|ve|ll)\b)", "I", text)
        return text[:1].upper() + text[1:]
    if draw < 0.88:
        return text.lower()
    if draw < 0.9:
        return text.upper()
    return text


def _ending(is_question: bool, rng: random.Random) -> str:
    draw = rng.random()
    if is_question:
        return "?" if draw < 0.62 else ("??" if draw < 0.64 else (" ?" if draw < 0.66 else ""))
    return "" if draw < 0.5 else ("." if draw < 0.75 else ("?" if draw < 0.92 else "!"))
