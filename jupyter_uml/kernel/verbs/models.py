"""`%uml models`, `status`, `estimate`, `load`, `pin`, `unpin` and `unload`."""

from __future__ import annotations

import argparse
import math
from contextlib import suppress
from typing import Any

from jupyter_uml.client import UniversalClient
from jupyter_uml.display import figures
from jupyter_uml.errors import UmlError
from jupyter_uml.kernel import notes, tables
from jupyter_uml.kernel.cell_view import CellView
from jupyter_uml.kernel.follow import watch_load
from jupyter_uml.kernel.notebook import Notebook
from jupyter_uml.kernel.options import add_model, add_settings, add_stay, given_settings
from jupyter_uml.kernel.quiet_error import UmlMagicError
from jupyter_uml.kernel.verbs.verb import Verb, models
from jupyter_uml.types import ModelStatus


def _models(notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    rows = notebook.client.models(refresh=True)
    found = tables.named(rows, options.word) if options.word else rows
    if found:
        view.table(tables.models_table(found, unfold=options.all))
    elif rows:
        view.line(f"No model has “{options.word}” in its name. `%uml models` lists them all.")
    else:
        view.line(
            "There is no model yet. `%uml pull owner/repository` brings one; or put a GGUF file into a folder of "
            "`c.UMLApp.model_dirs`."
        )


def _models_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("word", nargs="?", metavar="WORD", help="only those with it in one of their names")
    parser.add_argument("--all", action="store_true", help="however many, and why others cannot be loaded")


def _status(notebook: Notebook, view: CellView, _: argparse.Namespace) -> None:
    rows = [row for row in notebook.client.models() if row.state not in ("available", "failed")]
    memory = notebook.client.health().memory
    free = f"{figures.size(memory.available_bytes)} of {figures.size(memory.total_bytes)} memory free"
    note = f"{free} · models run in {notebook.place}"
    if rows:
        view.table(tables.status_table(rows, note))
    else:
        view.line(f"No model is loaded · {note}")


def _estimate(notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    view.table(tables.estimate_table(notebook.client.estimate(options.model, **given_settings(options))))


def _load(notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    _follow_load(notebook, view, options.model, given_settings(options, "pin", "keep_alive"))


def _load_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser)
    add_stay(parser)


def _pin(notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    _follow_load(notebook, view, options.model, {"pin": True})


def _unpin(notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    row = notebook.client.model(options.model)
    if row.pinned:
        row = notebook.client.load(options.model, wait=False, pin=False)
    stays = notes.stay_note(row)
    view.line(f"{row.id} is not pinned" + (f" · unloads {stays}" if row.expires_in is not None else ""))


def _unload(notebook: Notebook, view: CellView, options: argparse.Namespace) -> None:
    notebook.meant = None
    row = notebook.client.unload(options.model, options.force)
    view.line(f"{row.id} is unloaded")


def _unload_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("--force", action="store_true", help="end the answers under way")


def _follow_load(notebook: Notebook, view: CellView, model: str, arguments: dict[str, Any]) -> None:
    client, rows = notebook.client, []
    notebook.meant, before = None, _running(client, model)
    try:
        for row in client.background.iterate(watch_load(client.aio, model, arguments)):
            rows.append(row)
            if row.state != "loaded":
                view.progress(notes.loading_note(row), row.progress)
    except KeyboardInterrupt:
        raise UmlMagicError(f"{model} goes on loading; `%uml unload {model}` stops that.") from None
    except UmlError:
        if rows:
            view.line(f"{model} was not loaded")  # instead of a bar that stands still
        raise
    already = f" already, with more than asked for (for less, `%uml unload {rows[-1].id}` first)"
    how = already if rows[-1].pid == before and _has_more(rows[-1], arguments) else ""
    view.line(f"{rows[-1].id} is loaded{how} · {notes.loaded_note(rows[-1])}")


def _running(client: UniversalClient, model: str) -> int | None:
    """The pid of its worker."""
    with suppress(UmlError):  # to load it says what is wrong
        return client.model(model).pid
    return None


def _has_more(row: ModelStatus, asked: dict[str, Any]) -> bool:
    return any(getattr(row.settings, name, 0) > asked.get(name, math.inf) for name in ("n_ctx", "n_parallel"))


VERBS = (
    Verb(
        "models",
        "%uml models [WORD]           the models there are, and their state  [--all]",
        _models,
        _models_arguments,
    ),
    Verb("status", "%uml status                  what is loaded, its memory and speed", _status),
    Verb(
        "estimate",
        "%uml estimate NAME           would it fit into memory, and how?",
        _estimate,
        add_settings,
        models,
    ),
    Verb(
        "load",
        "%uml load NAME               load one  [--n-ctx N] [--keep-alive 10m] [--pin] …",
        _load,
        _load_arguments,
        models,
    ),
    Verb("pin", "%uml pin NAME                load one, and keep it whatever happens", _pin, add_model, models),
    Verb("unpin", "%uml unpin NAME              end that", _unpin, add_model, models),
    Verb(
        "unload",
        "%uml unload NAME             give its memory back  [--force]",
        _unload,
        _unload_arguments,
        models,
    ),
)
