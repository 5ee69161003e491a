"""What may stand in a file of settings, and within which bounds: those of the fields of a request."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from jupyter_uml.types import MAX_STOP_STRINGS, KvType

_WINDOW = 1 << 20  # tokens
_TEXT = 1 << 20  # characters


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number."""

    low: int
    high: int

    def accepts(self, value: Any) -> bool:
        return type(value) is int and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"a whole number from {self.low} to {self.high}"


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number; `above`: it must be larger than `low`."""

    low: float
    high: float
    above: bool = False

    def accepts(self, value: Any) -> bool:
        if type(value) not in (int, float) or not math.isfinite(value):
            return False
        return bool(self.low <= value <= self.high) and not (self.above and value == self.low)

    def __str__(self) -> str:
        return (
            f"a number above {self.low:g}, up to {self.high:g}"
            if self.above
            else f"a number from {self.low:g} to {self.high:g}"
        )


@dataclass(frozen=True, slots=True)
class Flag:
    def accepts(self, value: Any) -> bool:
        return type(value) is bool

    def __str__(self) -> str:
        return "true or false"


@dataclass(frozen=True, slots=True)
class Text:
    """`choices`: the texts that it may be; none: any."""

    length: int = _TEXT
    choices: tuple[str, ...] = ()

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) and 0 < len(value) <= self.length and (not self.choices or value in self.choices)

    def __str__(self) -> str:
        return (
            f"one of {', '.join(map(repr, self.choices))}"
            if self.choices
            else f"a text of 1 to {self.length} characters"
        )


@dataclass(frozen=True, slots=True)
class Texts:
    """A list of texts."""

    count: int
    length: int

    def accepts(self, value: Any) -> bool:
        return isinstance(value, list) and len(value) <= self.count and all(map(Text(self.length).accepts, value))

    def __str__(self) -> str:
        return f"a list of at most {self.count} texts of 1 to {self.length} characters each"


Field = Whole | Number | Flag | Text | Texts

# Of `LoadSettings`.
SETTINGS: dict[str, Field] = {
    "n_ctx": Whole(1, (1 << 31) - 1),
    "n_parallel": Whole(1, 1024),
    "n_threads": Whole(1, 4096),
    "n_gpu_layers": Whole(-1, 1 << 20),
    "kv_type": Text(choices=get_args(KvType)),
    "draft_model": Text(256),
    "n_batch": Whole(1, _WINDOW),
    "n_threads_batch": Whole(1, 4096),
}
# Of `SamplingParams`.
SAMPLING: dict[str, Field] = {
    "max_tokens": Whole(1, (1 << 31) - 1),
    "temperature": Number(0, 2),
    "top_k": Whole(0, _WINDOW),
    "top_p": Number(0, 1, above=True),
    "min_p": Number(0, 1),
    "seed": Whole(-(1 << 63), (1 << 63) - 1),
    "presence_penalty": Number(-2, 2),
    "frequency_penalty": Number(-2, 2),
    "repeat_penalty": Number(0, 2, above=True),
    "repeat_last_n": Whole(-1, _WINDOW),
    "stop": Texts(MAX_STOP_STRINGS, 1024),
    "ignore_eos": Flag(),
    "typical_p": Number(0, 1, above=True),
    "top_n_sigma": Number(-1, 100),
    "xtc_probability": Number(0, 1),
    "xtc_threshold": Number(0, 1),
    "dry_multiplier": Number(0, 100),
    "dry_base": Number(0, 100),
    "dry_allowed_length": Whole(0, _WINDOW),
    "dry_penalty_last_n": Whole(-1, _WINDOW),
    "dry_sequence_breakers": Texts(16, 40),
    "mirostat": Whole(0, 2),
    "mirostat_tau": Number(0, 100),
    "mirostat_eta": Number(0, 1),
    "dynatemp_range": Number(0, 2),
    "dynatemp_exponent": Number(0, 100),
}


def frozen(value: Any) -> Any:
    """A list as a tuple; all else as it is."""
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def json_schema(field: Field) -> dict[str, Any]:
    """The values that a field accepts."""
    match field:
        case Whole(low, high):
            return {"type": "integer", "minimum": low, "maximum": high}
        case Number(low, high, above):
            return {"type": "number", "exclusiveMinimum" if above else "minimum": low, "maximum": high}
        case Flag():
            return {"type": "boolean"}
        case Text(length, choices):
            return {"enum": list(choices)} if choices else {"type": "string", "minLength": 1, "maxLength": length}
        case Texts(count, length):
            return {"type": "array", "maxItems": count, "items": json_schema(Text(length))}
