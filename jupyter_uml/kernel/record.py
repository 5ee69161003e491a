"""What an answer came from, as it is kept in the output of its cell: enough to ask again and to name what differs.

A record holds hashes of what was asked and answered, no text of either. What is not known is None, and differs from
nothing: an older server tells less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self

from jupyter_uml.client import Answer
from jupyter_uml.kernel.digests import answer_sha256, params_of, prompt_sha256
from jupyter_uml.kernel.origin import Origin
from jupyter_uml.types import GenerateRequest

VERSION = 1  # of what is written
NAMESPACE = "jupyter_uml"  # where a record stands in an output's metadata
State = Literal["running", "done", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Difference:
    """`what`: `model file`, `chat template`, `engine`, `prompt`, `answer`, or the name of a setting or parameter.
    `before`: as it is recorded. `at`: of two texts, the characters at their beginning that are the same."""

    what: str
    before: Any
    now: Any
    at: int | None = None


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """`generation`: id of the answer's generation. `params`: those that were given, and digests of the schema and the
    tools. `seed`: of its draws. `cached`: it came from the cache, where `generation` had put it."""

    generation: str
    state: State = "running"
    model: str = ""
    model_sha256: str | None = None
    template_sha256: str | None = None
    engine: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    deterministic: bool = False
    prompt_sha256: str | None = None
    answer_sha256: str | None = None
    cached: bool = False
    version: int = VERSION

    @classmethod
    def of(cls, request: GenerateRequest) -> Self:
        """Of an answer that has only been asked for."""
        return cls(
            request.id,
            model=request.model,
            params=params_of(request),
            seed=request.params.seed,
            deterministic=request.deterministic,
            prompt_sha256=prompt_sha256(request),
        )

    def ended(self, answer: Answer, origin: Origin | None, state: State = "done") -> Self:
        """With what came of it. `origin`: None where it is not known."""
        known = asdict(origin) if origin else {"model": answer.model}
        state = "stopped" if state == "done" and answer.finish_reason == "aborted" else state
        return replace(self, **known, state=state, answer_sha256=answer_sha256(answer))

    def to_dict(self) -> dict[str, Any]:
        """For the metadata of an output, without what is not known."""
        row = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in row.items() if value not in (None, "", {})}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; fields of a newer version are passed over.

        Raises:
            ValueError: it is none, or was changed by hand into what is none.
        """
        known = {f.name: row[f.name] for f in fields(cls) if f.name in row}
        for name, value in known.items():
            if not isinstance(value, _TYPES.get(name, str)):
                raise ValueError(f"{name} of an answer's record cannot be {value!r:.40}")
        if "generation" not in known:
            raise ValueError("an answer's record has no generation")
        return cls(**known)

    def differences(self, other: AnswerRecord) -> list[Difference]:
        """What is another in `other`, the causes before their effect."""
        return list(self._differences(other))

    def _differences(self, other: AnswerRecord) -> Iterator[Difference]:
        for what, name in _NAMES.items():
            before, now = getattr(self, name), getattr(other, name)
            if None not in (before, now) and before != now:
                yield Difference(what, before, now)
            if name == "engine":
                if self.settings and other.settings:
                    yield from _between(self.settings, other.settings)
                yield from _between(self.params, other.params)


_TYPES: dict[str, type | tuple[type, ...]] = {
    "settings": dict,
    "params": dict,
    "seed": int,
    "deterministic": bool,
    "cached": bool,
    "version": int,
}
_NAMES = {
    "model": "model",
    "model file": "model_sha256",
    "chat template": "template_sha256",
    "engine": "engine",
    "seed": "seed",
    "prompt": "prompt_sha256",
    "answer": "answer_sha256",
}


def _between(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            yield Difference(name, before.get(name), now.get(name))
