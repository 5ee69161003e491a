"""Answers that need not be computed again: Run All is instant where nothing has changed.

An answer is found by all that it depends on, so nothing that is found is ever out of date: the model's file, its
template and settings, what computes it, the whole prompt and every parameter. Only whole answers are kept. The cache
holds them as text, in a folder that only its user can read; it is never what an answer fails for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache, partial
from typing import Any, Literal, NamedTuple

from jupyter_uml.client import Answer
from jupyter_uml.client.cache_folder import cache_folder
from jupyter_uml.kernel.bounded_folder import BoundedFolder
from jupyter_uml.kernel.digests import digest, params_of, prompt_sha256
from jupyter_uml.kernel.origin import Origin
from jupyter_uml.kernel.record import AnswerRecord
from jupyter_uml.types import GenerateRequest, Timings, ToolCall, Usage

Mode = Literal["auto", "on", "off"]

VERSION = 1  # of keys, and of what is written
MAX_BYTES = 128 << 20  # some fifty thousand answers
_WHOLE = ("stop", "length", "tool_calls")  # finish reasons


class Remembered(NamedTuple):
    """`record` says how the answer came to be; it is marked as `cached`."""

    answer: Answer
    record: AnswerRecord


class AnswerCache:
    """Also notes how models were loaded last, by which answers of models are found that are not loaded now."""

    def __init__(self, folder: BoundedFolder) -> None:
        self.folder = folder

    def remembered(self, key: str) -> Remembered | None:
        """What the entry cannot be made to say is as if it were not there."""
        if (row := self._read(key)) is None:
            return None
        with suppress(KeyError, TypeError, ValueError):
            return Remembered(_answer(row["answer"]), replace(AnswerRecord.from_dict(row["record"]), cached=True))
        self.folder.drop(key)
        return None

    def remember(self, key: str, answer: Answer, record: AnswerRecord) -> bool:
        """Whether it is kept: an answer that was stopped is not, nor one with probabilities."""
        if answer.finish_reason not in _WHOLE or answer.logprobs or record.state != "done":
            return False
        row = {"answer": asdict(answer), "record": record.to_dict()}
        return self.folder.put(key, json.dumps(row).encode())

    def last_origin(self, name: str) -> Origin | None:
        row = self._read(f"origin {name}")
        with suppress(TypeError):
            if row is not None:
                return Origin(**row)
        return None

    def note_origin(self, name: str, origin: Origin) -> None:
        if self.last_origin(name) != origin:
            self.folder.put(f"origin {name}", json.dumps(asdict(origin)).encode())

    def _read(self, name: str) -> dict[str, Any] | None:
        content = self.folder.get(name)
        with suppress(ValueError):
            if content is not None and isinstance(row := json.loads(content), dict):
                return row
        return None


@cache
def answer_cache() -> AnswerCache:
    """This user's. Nothing is made on the disk before it is used."""
    return AnswerCache(BoundedFolder(partial(cache_folder, "answers"), MAX_BYTES))


def wanted(mode: Mode, request: GenerateRequest) -> bool:
    """Whether the cache is for this request, as its caller wrote it: without a seed that was drawn for it."""
    return mode == "on" or (mode == "auto" and is_determined(request))


def is_determined(request: GenerateRequest) -> bool:
    """Whether who asks again expects the same answer."""
    return request.params.temperature == 0 or request.params.seed is not None


def key_of(request: GenerateRequest, origin: Origin) -> str | None:
    """The name of the answer to `request`, taken as for `wanted`; None where it may not be told from others.

    Not in it: ids, whose request it is and how urgent; the model's name, since its file is.
    """
    if not origin.whole or request.params.logprobs is not None:
        return None
    depends_on = asdict(origin) | {
        "model": None,
        "prompt": prompt_sha256(request),
        "params": params_of(request),
        "seed": request.params.seed,
        "deterministic": request.deterministic,
        "version": VERSION,
    }
    return digest(depends_on)


def _answer(row: Mapping[str, Any]) -> Answer:
    """The inverse of `asdict`.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    fields = dict(row)
    texts = [fields["text"], fields["model"], fields.get("reasoning", "")]
    if not (all(isinstance(text, str) for text in texts) and fields["finish_reason"] in _WHOLE):
        raise ValueError("not an answer")
    fields["usage"] = Usage(**fields["usage"]) if fields.get("usage") else None
    fields["timings"] = Timings(**fields["timings"]) if fields.get("timings") else None
    fields["tool_calls"] = tuple(ToolCall(**call) for call in fields.get("tool_calls", ()))
    fields["logprobs"] = ()
    return Answer(**fields)
