"""Question templates: `(a|b)` one of these, `[x]` maybe, `{slot}` any value of that slot."""

import random
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

CORPUS_DIR = Path(__file__).parent / "corpus"

Slots = dict[str, list["Template"]]


def normalise(text: str) -> str:
    """Lower case and alphanumerics only: two questions that differ in nothing else are the same one."""
    return re.sub(r"[\W_]+", "", text.lower())


@dataclass(frozen=True)
class Choice:
    """One of several sequences; an optional part is a choice with an empty sequence."""

    options: tuple["Sequenced", ...]


Sequenced = tuple["str | Choice", ...]


class Template:
    """A parsed template: it draws expansions, counts them, and matches any text that it could expand to."""

    def __init__(self, source: str, slots: Slots) -> None:
        self.source = source
        self._slots = slots
        self._pos = 0
        self._tree = self._parse_options()
        if self._pos != len(source):
            raise ValueError(f"unbalanced template: {source!r}")

    def expand(self, rng: random.Random) -> str:
        """One random expansion, blanks collapsed."""
        parts: list[str] = []
        _draw(self._tree, rng, parts)
        return " ".join("".join(parts).split())

    @cached_property
    def count(self) -> int:
        """Number of expansions (with duplicates)."""
        return _count(self._tree)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches the normalised form of every expansion."""
        return re.compile(_regex(self._tree))

    def matches(self, text: str) -> bool:
        """Whether some expansion equals `text` after normalisation."""
        return self.pattern.fullmatch(normalise(text)) is not None

    def _parse_options(self) -> Choice:
        options: list[Sequenced] = []
        parts: list[str | Choice] = []
        literal = ""
        while self._pos < len(self.source):
            char = self.source[self._pos]
            if char in ")]":
                break
            self._pos += 1
            if char in "([{|":
                if literal:
                    parts.append(literal)
                literal = ""
            if char == "|":
                options.append(tuple(parts))
                parts = []
            elif char in "([":
                inner = self._parse_options()
                if self.source[self._pos : self._pos + 1] != (")" if char == "(" else "]"):
                    raise ValueError(f"unbalanced template: {self.source!r}")
                self._pos += 1
                parts.append(Choice((*inner.options, ())) if char == "[" else inner)
            elif char == "{":
                end = self.source.index("}", self._pos)
                parts.append(self._slot(self.source[self._pos : end]))
                self._pos = end + 1
            else:
                literal += char
        if literal:
            parts.append(literal)
        return Choice((*options, tuple(parts)))

    def _slot(self, name: str) -> Choice:
        if name not in self._slots:
            raise ValueError(f"unknown slot {{{name}}} in template: {self.source!r}")
        return Choice(tuple((value._tree,) for value in self._slots[name]))


def _draw(node: str | Choice, rng: random.Random, parts: list[str]) -> None:
    if isinstance(node, str):
        parts.append(node)
        return
    options = node.options
    for child in options[int(rng.random() * len(options))]:
        _draw(child, rng, parts)


def _count(node: str | Choice) -> int:
    if isinstance(node, str):
        return 1
    total = 0
    for option in node.options:
        product = 1
        for child in option:
            product *= _count(child)
        total += product
    return total


def _regex(node: str | Choice) -> str:
    if isinstance(node, str):
        return re.escape(normalise(node))
    return "(?:" + "|".join("".join(_regex(child) for child in option) for option in node.options) + ")"


def read_toml(name: str) -> dict[str, Any]:
    """One file of the corpus folder."""
    return tomllib.loads((CORPUS_DIR / name).read_text(encoding="utf-8"))


def read_slots() -> Slots:
    """The named parts of the templates, themselves templates without slots."""
    slots: Slots = {}
    for name, values in read_toml("slots.toml").items():
        slots[name] = [Template(value, slots) for value in values]
    return slots


def parse_all(sources: Sequence[str], slots: Slots) -> list[Template]:
    """Templates from their sources."""
    return [Template(source, slots) for source in sources]


def read_phrasings(slots: Slots) -> dict[str, list[Template]]:
    """All training templates of each intent, its plainest wording included."""
    phrasings = {name: [Template(_literal(entry["ask"]), slots)] for name, entry in read_toml("intents.toml").items()}
    for path in sorted(CORPUS_DIR.glob("phrasings_*.toml")):
        for name, entry in read_toml(path.name).items():
            sources = entry if isinstance(entry, list) else next(v for v in entry.values() if isinstance(v, list))
            phrasings[name] += parse_all(sources, slots)
    return phrasings


def read_heldout() -> dict[str, list[str]]:
    """The test questions of each intent: for evaluation, and for keeping them out of the training text."""
    questions: dict[str, list[str]] = {}
    for name, entry in read_toml("heldout.toml").items():
        questions[name] = entry if isinstance(entry, list) else next(v for v in entry.values() if isinstance(v, list))
    return questions


def _literal(text: str) -> str:
    return text.translate(str.maketrans("", "", "()[]{}|"))
