"""Are a notebook's answers what its models answer now? Each is asked for again, and every difference is named.

A question is put together as its cell would do it now, and asked as it was recorded: of the same model, with the same
parameters and seed, and alone, so that nothing else rounds its numbers. The differences then tell apart what has
changed in the cell, in the model and in the answer.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from textwrap import shorten
from typing import Literal, Protocol

from jupyter_uml.client import Answer, AsyncUniversalClient, UniversalClient
from jupyter_uml.display.render import answer_text
from jupyter_uml.errors import UmlError
from jupyter_uml.kernel.digests import with_params
from jupyter_uml.kernel.notebook_file import SavedAnswer, SavedCell
from jupyter_uml.kernel.origin import Origin, origin_of
from jupyter_uml.kernel.record import AnswerRecord, Difference
from jupyter_uml.types import GenerateRequest

Outcome = Literal["equal", "differs", "failed", "skipped"]

ROUNDING = (
    "It was not made deterministically: what else was computed at the same time may have rounded its numbers. "
    "`--deterministic` in the cell prevents that."
)
_CALLS = "Only the first answer was asked for again: the functions that the model called are not run."
_UNFILLED = re.compile(r"\{([A-Za-z_]\w*)\}")  # in a prompt that has changed: a name that stands for nothing now
_EXCERPT = 24  # characters on either side of where two answers begin to differ


class Author(Protocol):
    """Puts together what the cells of one notebook ask, from the first to the last."""

    def request(self, place: int) -> GenerateRequest:
        """What the cell at this place of the list asks now; an empty model: it names none.

        Raises:
            Exception: whatever it cannot be put together for.
        """
        ...

    def answered(self, place: int, answer: Answer) -> None:
        """The answer to it, on which later cells may go on."""
        ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of one cell. `question`: how it begins. `failed`: it could not be asked; `skipped`: there is nothing to compare.

    `note`: what there is to say about the outcome.
    """

    cell: SavedCell
    outcome: Outcome
    question: str = ""
    model: str = ""
    differences: tuple[Difference, ...] = ()
    note: str = ""


def verified(client: UniversalClient, cells: Sequence[SavedCell], author: Author) -> Iterator[Comparison]:
    """One after the other, of the cells with recorded answers. Interrupted, it stops the engine."""
    for place, cell in enumerate(cells):
        if cell.answers:
            yield _compared(client, author, place, cell)


def _compared(client: UniversalClient, author: Author, place: int, cell: SavedCell) -> Comparison:
    saved = cell.answers[0]
    record = saved.record
    if record is None:
        return Comparison(cell, "failed", note=f"Its record cannot be read: {saved.fault}.")
    try:
        request = author.request(place)
    except Exception as error:  # the cell's own: a name that is not defined, a call that raises
        return Comparison(cell, "failed", model=record.model, note=f"It cannot be put together: {_said(error)}")
    told = Comparison(cell, "skipped", _question(request), record.model)
    if record.state != "done":
        return replace(told, note="It was stopped, or failed, before its end.")
    try:
        answer, origin, asked = client.background.run(_ask_again(client.aio, request, record))
    except (UmlError, TypeError, ValueError, RecursionError) as error:  # of a record that was made up, too
        return replace(told, outcome="failed", note=f"It cannot be asked again: {_said(error)}")
    author.answered(place, answer)
    now = replace(AnswerRecord.of(asked).ended(answer, origin), model=asked.model)
    found = tuple(_differences(saved, record, now, answer, request))
    notes = " ".join(_notes(record, found, cell, request))
    return replace(told, outcome="differs" if found else "equal", differences=found, note=notes)


async def _ask_again(
    client: AsyncUniversalClient, request: GenerateRequest, record: AnswerRecord
) -> tuple[Answer, Origin, GenerateRequest]:
    """The answer to the request as it was recorded; and the request as the cell says it now, which is compared."""
    again = _as_recorded(request, record)
    async with client.generate(again) as stream:
        async for _ in stream:
            pass
    origin = await origin_of(client, again.model)
    same = not request.model or await _id(client, request.model) == origin.model  # names of one model may change
    model = record.model if same else request.model
    seed = record.seed if request.params.seed is None else request.params.seed
    return stream.answer, origin, replace(request, model=model, params=replace(request.params, seed=seed))


def _as_recorded(request: GenerateRequest, record: AnswerRecord) -> GenerateRequest:
    """Of the same parameters, alone, and of no cell: nobody keeps it."""
    same = with_params(request, record.params)
    params, new_id = replace(same.params, seed=record.seed), os.urandom(16).hex()
    return replace(same, id=new_id, model=record.model, params=params, deterministic=True, label=None)


async def _id(client: AsyncUniversalClient, name: str) -> str:
    """Of the model that has this name; the name itself where there is none."""
    try:
        return (await client.model(name)).id
    except UmlError:
        return name


def _differences(
    saved: SavedAnswer, record: AnswerRecord, now: AnswerRecord, answer: Answer, request: GenerateRequest
) -> Iterator[Difference]:
    """With what hashes are of, as far as it is known."""
    text = _between(saved.text, answer_text(answer))
    for each in record.differences(now):
        match each.what:
            case "prompt":
                yield replace(each, before="another text", now=_beginning(_last_text(request)))
            case "answer":
                yield text or replace(each, what="reasoning")
            case _:
                yield each
    if record.answer_sha256 is None and text:  # the answer came when its kernel was gone
        yield text


def _between(before: str, now: str) -> Difference | None:
    if before == now:
        return None
    same = os.path.commonprefix([before, now])  # noqa: RUF071  # characters are meant
    at = len(same)
    return Difference("answer", _excerpt(before, at), _excerpt(now, at), at)


def _excerpt(text: str, at: int) -> str:
    start, end = max(0, at - _EXCERPT), at + _EXCERPT
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def _notes(
    record: AnswerRecord, found: Sequence[Difference], cell: SavedCell, request: GenerateRequest
) -> Iterator[str]:
    what = {each.what for each in found}
    if "prompt" in what and (names := sorted(set(_UNFILLED.findall(_last_text(request))))):
        yield f"Not defined in this kernel: {', '.join(names)}."
    if not record.deterministic and what & {"answer", "reasoning"}:
        yield ROUNDING
    if len(cell.answers) > 1:
        yield _CALLS


def _question(request: GenerateRequest) -> str:
    """As it stands in the cell."""
    return _beginning(request.label.question if request.label else _last_text(request))


def _beginning(text: str) -> str:
    return shorten(text, 2 * _EXCERPT, placeholder=" …")


def _last_text(request: GenerateRequest) -> str:
    return request.messages[-1].content if request.messages else str(request.prompt)


def _said(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if isinstance(error, UmlError) else f"{type(error).__name__}: {text}"
