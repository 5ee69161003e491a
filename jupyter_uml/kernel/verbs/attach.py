"""`%uml attach`, `generations` and `stop`: answers that go on when the cell that asked for them does not show them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from textwrap import shorten

from jupyter_uml.client import AsyncStream, UniversalClient
from jupyter_uml.client.discover import own_kernel_id
from jupyter_uml.display import figures
from jupyter_uml.display.note import answer_note, is_cut
from jupyter_uml.errors import GenerationAborted, InvalidRequest, UmlError
from jupyter_uml.kernel.cell_view import CellView
from jupyter_uml.kernel.follow import Pace, watch_answer
from jupyter_uml.kernel.notebook import Notebook
from jupyter_uml.kernel.record import NAMESPACE, AnswerRecord, State
from jupyter_uml.kernel.tables import Column, Table
from jupyter_uml.kernel.verbs.verb import Verb
from jupyter_uml.types import GenerationStatus

SHORT_ID = 8  # characters, which tell hundreds of generations apart
QUESTION = 60  # characters of one that are shown


def _attach(notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    """To interrupt it is to stop the answer, as in the cell that asked."""
    client = notebook.client
    row = _named(client.generations(), options.id) if options.id else _lost(client)
    stream = client.aio.attach(row.id)
    state: State = "failed"
    try:
        _follow(client, view, stream, row)
        state = "done"
    except GenerationAborted:
        state = "stopped"
    except KeyboardInterrupt:
        state = "stopped"
        raise
    finally:
        _show_end(view, stream, row, state)


def _follow(client: UniversalClient, view: CellView, stream: AsyncStream, row: GenerationStatus) -> None:
    pace = Pace()
    with closing(client.background.iterate(watch_answer(client.aio, stream, pace))) as events:
        for event in events:
            if isinstance(event, str):
                pace.sent(view.answer(stream, f"{row.model} · …", metadata=_record(row, "running")))


def _show_end(view: CellView, stream: AsyncStream, row: GenerationStatus, state: State) -> None:
    if state == "failed" and not (stream.text or stream.reasoning):
        return  # the error says it all
    answer = stream.answer
    note = f"{row.model} · not complete" if state == "failed" else answer_note(answer)
    view.answer(stream, note, final=True, warn=state == "done" and is_cut(answer), metadata=_record(row, state))


def _record(row: GenerationStatus, state: State) -> dict[str, object]:
    return {NAMESPACE: AnswerRecord(row.id, state, row.model).to_dict()}


def _generations(notebook: Notebook, view: CellView, _: argparse.Namespace) -> None:
    rows = notebook.client.generations()
    if rows:
        view.table(generations_table(rows, time.time()))
    else:
        view.line("There are no generations. Those of cells and panels are kept for a day.")


def _stop(notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    client = notebook.client
    row = _named(client.generations(), options.id) if options.id else _running(client)
    name = f"{_short(row)} of {row.model}"
    if row.state != "running":
        view.line(f"The generation {name} has ended already.")
        return
    stopped = client.stop(row.id)
    view.line(f"The generation {name} is stopped after {figures.plural(stopped.tokens, 'token')}.")


def _lost(client: UniversalClient) -> GenerationStatus:
    """The newest that nobody has read to its end, of this kernel or else of this user; else simply the newest.

    Raises:
        InvalidRequest: there is none.
    """
    rows = client.generations()
    unread = [row for row in rows if row.state == "running" or (row.state != "stopped" and not row.read)]
    own = [row for row in unread if row.kernel is not None and row.kernel == own_kernel_id()]
    for found in (own, unread, rows):
        if found:
            return found[0]
    raise InvalidRequest("There is no generation to attach to.", param="id")


def _running(client: UniversalClient) -> GenerationStatus:
    """The newest, if possible of this kernel.

    Raises:
        InvalidRequest: there is none.
    """
    running = [row for row in client.generations() if row.state == "running"]
    own = [row for row in running if row.kernel is not None and row.kernel == own_kernel_id()]
    if not running:
        raise InvalidRequest("No generation is running.", param="id")
    return (own or running)[0]


def _named(rows: Sequence[GenerationStatus], start: str) -> GenerationStatus:
    """
    Raises:
        InvalidRequest: no id begins so, or more than one does.
    """
    found = [row for row in rows if row.id.startswith(start)]
    if len(found) == 1:
        return found[0]
    what = "More than one generation" if found else "No generation"
    raise InvalidRequest(f"{what} has an id that begins with {start!r}; `%uml generations` lists them.", param="id")


def _short(row: GenerationStatus) -> str:
    return row.id[:SHORT_ID]


def generations_table(rows: Sequence[GenerationStatus], now: float) -> Table:
    """`now`: seconds since 1970."""
    return Table(
        [
            Column("Id", [_short(row) for row in rows]),
            Column("Model", [row.model for row in rows]),
            Column("State", [row.state for row in rows]),
            Column("Question", [shorten(row.question, QUESTION, placeholder=" …") for row in rows]),
            Column("Tokens", [str(row.tokens) for row in rows], numeric=True),
            Column("Age", [figures.duration(now - row.created) for row in rows], numeric=True),
        ]
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", default="", metavar="ID", help="of a generation, or its beginning")


def _ids(notebook: Notebook, words: list[str]) -> Iterable[str]:
    if len(words) < 2:
        with suppress(UmlError):
            return [_short(row) for row in notebook.client.generations()]
    return ()


VERBS = (
    Verb("attach", "%uml attach [ID]             show an answer whose cell lost it", _attach, _arguments, _ids),
    Verb("generations", "%uml generations             answers that run, and those of the last day", _generations),
    Verb("stop", "%uml stop [ID]               end one that runs on", _stop, _arguments, _ids),
)
