"""`%uml` and `%%uml`."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class

from jupyter_uml.client import Answer, PullProgress, UniversalClient, call_tools
from jupyter_uml.errors import InvalidRequest, UmlError
from jupyter_uml.kernel import figures, tables
from jupyter_uml.kernel.cell_view import CellView, view_for
from jupyter_uml.kernel.follow import Pace, paced, watch_answer, watch_load
from jupyter_uml.kernel.options import HELP, SAMPLING, SETTINGS, parse_cell, parse_line
from jupyter_uml.kernel.quiet_error import UmlMagicError
from jupyter_uml.kernel.session import announce_activity, shared_client
from jupyter_uml.types import Message

MAX_ROUNDS = 16  # of answers that want functions called


def register(shell: InteractiveShell) -> None:
    """What `%load_ext jupyter_uml` does."""
    shell.register_magics(UmlMagics(shell))


@magics_class
class UmlMagics(Magics):
    """Load language models and ask them."""

    @line_cell_magic
    def uml(self, line: str, cell: str | None = None) -> None:
        with _one_line_errors():
            if cell is None:
                self._command(parse_line(line))
            elif set(line.split()) & {"-h", "--help"}:
                print(HELP, end="")
            else:
                self._ask(parse_cell(line), cell)

    uml.__doc__ = HELP  # what `%uml?` shows

    def _command(self, options: argparse.Namespace) -> None:
        verbs: dict[str, Callable[[CellView, argparse.Namespace], None]] = {
            "models": self._models,
            "status": self._status,
            "estimate": self._estimate,
            "load": self._load,
            "pin": self._pin,
            "unpin": self._unpin,
            "unload": self._unload,
            "pull": self._pull,
            "profile": self._profile,
        }
        verb = verbs.get(options.verb or "help")
        if verb is None:
            print(HELP, end="")
        else:
            verb(view_for(self.shell), options)

    def _models(self, view: CellView, options: argparse.Namespace) -> None:
        rows = self._client.models()
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

    def _status(self, view: CellView, _: argparse.Namespace) -> None:
        rows = [row for row in self._client.models() if row.state not in ("available", "failed")]
        memory = self._client.health().get("memory") or {}
        free = f"{figures.size(memory.get('available_bytes'))} of {figures.size(memory.get('total_bytes'))} memory free"
        note = f"{free} · models run in {self._place}"
        if rows:
            view.table(tables.status_table(rows, note))
        else:
            view.line(f"No model is loaded · {note}")

    def _estimate(self, view: CellView, options: argparse.Namespace) -> None:
        view.table(tables.estimate_table(self._client.estimate(options.model, **_settings(options))))

    def _load(self, view: CellView, options: argparse.Namespace) -> None:
        self._follow_load(view, options.model, _settings(options, "pin", "keep_alive"))

    def _pin(self, view: CellView, options: argparse.Namespace) -> None:
        self._follow_load(view, options.model, {"pin": True})

    def _unpin(self, view: CellView, options: argparse.Namespace) -> None:
        row = self._client.model(options.model)
        if row.pinned:
            row = self._client.load(options.model, wait=False, pin=False)
        stays = figures.stay_note(row)
        view.line(f"{row.id} is not pinned" + (f" · unloads {stays}" if row.expires_in is not None else ""))

    def _follow_load(self, view: CellView, model: str, arguments: dict[str, Any]) -> None:
        client, rows = self._client, []
        try:
            for row in client.background.iterate(watch_load(client.aio, model, arguments)):
                rows.append(row)
                if row.state != "loaded":
                    view.progress(figures.loading_note(row), row.progress)
                    announce_activity()
        except KeyboardInterrupt:
            raise UmlMagicError(f"{model} goes on loading; `%uml unload {model}` stops that.") from None
        except UmlError:
            if rows:
                view.line(f"{model} was not loaded")  # instead of a bar that stands still
            raise
        view.line(f"{rows[-1].id} is loaded · {figures.loaded_note(rows[-1])}")
        announce_activity()

    def _pull(self, view: CellView, options: argparse.Namespace) -> None:
        if options.stop:
            self._stop_pull(view, options.model)
            return
        client, row = self._client, PullProgress("", options.model)
        try:
            view.progress(figures.pull_heading(row))
            for row in client.background.iterate(paced(client.aio.pull(options.model))):
                view.progress(figures.pull_note(row), row.fraction, figures.pull_heading(row))
        except KeyboardInterrupt:
            view.line(f"{figures.pull_heading(row)} {figures.pull_note(row)}".rstrip())  # no bar that stands still
            command = f"%uml pull {options.model}"
            raise UmlMagicError(
                f"The download goes on in {self._place}; `{command}` follows it again, `{command} --stop` ends it."
            ) from None
        except UmlError:
            view.line(f"{options.model} was not pulled")
            raise
        how = f" · `%uml load {row.model}` loads it" if row.model else ""
        view.line(figures.pulled_note(row) + how)

    def _stop_pull(self, view: CellView, name: str) -> None:
        client = self._client
        found = next((row for row in client.pulls() if row.name == name), None)
        if found is None:
            raise InvalidRequest(f"No pull of {name!r} is running.", param="model")
        client.cancel_pull(found.id)
        view.line(f"The pull of {name} is ended. What has come is kept: the next one goes on from there.")

    def _unload(self, view: CellView, options: argparse.Namespace) -> None:
        row = self._client.unload(options.model, options.force)
        view.line(f"{row.id} is unloaded")
        announce_activity()

    def _profile(self, view: CellView, options: argparse.Namespace) -> None:
        if options.act == "save":
            self._save_profile(view, options)
        elif options.act == "delete":
            view.line(f"The profile {self._client.delete_profile(options.name).name} is deleted.")
        elif rows := self._client.profiles():
            view.table(tables.profiles_table(rows))
        else:
            view.line('There is no profile yet. `%uml profile save NAME MODEL --system "…"` makes one.')

    def _save_profile(self, view: CellView, options: argparse.Namespace) -> None:
        sampling = {name: value for name in SAMPLING if (value := getattr(options, name)) is not None}
        said = {"system_prompt": options.system, "sampling": sampling, **_settings(options, "pin", "keep_alive")}
        saved = self._client.save_profile(options.name, options.model, **said)
        view.line(f"{saved.id} is {saved.model} with settings of its own · `%%uml {saved.id}` asks it")

    def _ask(self, options: argparse.Namespace, question: str) -> None:
        if not question.strip():
            raise InvalidRequest("The cell is empty: write the question below the line with %%uml.")
        functions = [self._function(name) for name in options.tools]
        messages = [Message("user", question.strip())]
        for _ in range(MAX_ROUNDS):
            answer = self._answer(options, messages, functions)
            if not functions or answer.finish_reason != "tool_calls":
                return
            results = call_tools(answer.tool_calls, functions)
            for result in results:
                view_for(self.shell).line(f"← {result.content}")
            messages += [answer.message, *results]
        raise UmlMagicError(f"After {MAX_ROUNDS} rounds of calls the model still wants more.")

    def _function(self, name: str) -> Callable[..., Any]:
        found = self.shell.user_ns.get(name) if self.shell else None
        if not callable(found):
            raise InvalidRequest(f"There is no function {name!r} in this notebook.", param="tools")
        if inspect.iscoroutinefunction(found):
            raise InvalidRequest(f"{name} is asynchronous: a cell can call plain functions only.", param="tools")
        return cast(Callable[..., Any], found)

    def _answer(
        self, options: argparse.Namespace, messages: list[Message], functions: list[Callable[..., Any]]
    ) -> Answer:
        """One answer, shown while it comes."""
        client, view, pace = self._client, view_for(self.shell), Pace()
        sampling = {name: getattr(options, name) for name in ("max_tokens", "temperature", "seed", "keep_alive")}
        stream = client.aio.stream(messages, model=options.model, system=options.system, tools=functions, **sampling)
        note = "stopped"
        try:
            for event in client.background.iterate(watch_answer(client.aio, stream, pace)):
                announce_activity()
                if isinstance(event, str):
                    pace.sent(view.answer(stream, f"{stream.model} · …"))
                elif event.state == "loaded":
                    view.answer(stream, figures.waiting_note(event))
                else:
                    view.progress(figures.waiting_note(event), event.progress)
            note = figures.answer_note(stream.answer, options.max_tokens)
        except UmlError:
            note = "not complete"
            raise
        finally:
            if stream.text or stream.reasoning or note != "not complete":
                view.answer(stream, note, final=True)
        return stream.answer

    @property
    def _client(self) -> UniversalClient:
        return shared_client()

    @property
    def _place(self) -> str:
        return "this kernel" if self._client.server() is None else "the Jupyter server"


def _settings(options: argparse.Namespace, *more: str) -> dict[str, Any]:
    return {name: value for name in (*SETTINGS, *more) if (value := getattr(options, name)) is not None}


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """The cell fails, so that Run All stops; what is shown is one line."""
    try:
        yield
    except UmlError as error:
        raise UmlMagicError(str(error)) from None
    except KeyboardInterrupt:
        raise UmlMagicError("Stopped.") from None
