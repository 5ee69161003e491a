"""All rows, asked side by side: as many at once as keep the engine full, none twice, and each with its own end.

The run lives on the client's event loop, the rows in the caller's thread: `steps` says how many more it has room for,
and whoever drives it feeds it these. So a generator or a database cursor is read where it was made, and no further
than needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_uml.client import AsyncStream, AsyncUniversalClient
from jupyter_uml.client.arguments import to_messages
from jupyter_uml.errors import PermissionDenied, UmlError
from jupyter_uml.kernel.mapping import patience
from jupyter_uml.kernel.mapping.form import Form
from jupyter_uml.kernel.mapping.journal import Journal, Record, key_of
from jupyter_uml.kernel.mapping.progress import Progress, Speedometer
from jupyter_uml.kernel.mapping.result import MapStats, Outcome, RowError
from jupyter_uml.kernel.mapping.rows import Row
from jupyter_uml.kernel.mapping.template import Prompt, RowRefusedError, Template
from jupyter_uml.kernel.mapping.wire import Reply, Wire
from jupyter_uml.types import Message, ModelStatus, Usage

SHOW_SECONDS = 0.25  # between two reports of progress
UNKNOWN_PARALLEL = 4  # sequences side by side, where the server does not say
AHEAD = 3  # requests in flight for each of them: one is computed, one waits in the engine, one at the server
MOST = 256  # in flight


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of every row. `options`: as for `chat`. `folder`: of the journals. `concurrency`: rows in flight,
    None: as the model can."""

    prompt: Prompt
    form: Form
    options: Mapping[str, Any]
    folder: Path
    model: str | None = None
    system: str | None = None
    resume: bool = True
    concurrency: int | None = None
    total: int | None = None

    @property
    def repeatable(self) -> bool:
        """Whether equal rows have equal answers, so that one of them is enough."""
        return self.options.get("temperature") == 0 or self.options.get("seed") is not None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The run has room for so many more rows."""

    rows: int


@dataclass(frozen=True, slots=True)
class _Task:
    """A row to be asked about, or why it cannot be."""

    row: Row
    key: str = ""
    messages: tuple[Message, ...] = ()
    error: RowError | None = None


class Run:
    """Iterate over `steps`, feed it when it wants rows, and look at `outcomes` when it is over."""

    def __init__(self, client: AsyncUniversalClient, order: Order) -> None:
        self._client, self._order = client, order
        self._options = {"grammar": order.form.grammar, **order.options}
        self._wire = Wire(client, self._options)
        self.model = order.model or ""
        self._key = ""
        self._journal: Journal | None = None
        self._labels: list[Any] = []
        self._occurrences: defaultdict[str, int] = defaultdict(int)
        self._fed: deque[_Task] = deque()  # by the caller's thread, taken by the loop's
        self._ended = self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._found: dict[int, Outcome] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()  # one of them has ended, or there may be more of them
        self._same: defaultdict[str, list[Row]] = defaultdict(list)  # rows that wait for the answer of this key
        self._width, self._measured = order.concurrency or 1, order.concurrency is not None
        self._not_before = 0.0
        self._speed = Speedometer()
        self._began = time.monotonic()
        self._asked = self._reused = self._failed = self._cut = 0
        self._tokens = (0, 0, 0)  # of prompts, of these cached, of answers

    # --- in the caller's thread -------------------------------------------------------------------

    def feed(self, row: Row) -> bool:
        """The next row. False: nothing has to be asked for it."""
        self._labels.append(row.label)
        task = self._task(row)
        self._fed.append(task)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._start)  # the next one may be long in coming
        return task.error is None and self._record(task) is None

    def end(self) -> None:
        """There are no more rows."""
        self._ended = True

    def _task(self, row: Row) -> _Task:
        try:
            messages = self._messages(row)
        except (RowRefusedError, UmlError, UnicodeEncodeError) as error:
            return _Task(row, error=_row_error(row, error))
        return _Task(row, self._row_key(messages), messages)

    def _messages(self, row: Row) -> tuple[Message, ...]:
        prompt = self._order.prompt
        asked = prompt.render(row.fields) if isinstance(prompt, Template) else _called(prompt, row.item)
        messages = to_messages(asked, self._order.system)
        for message in messages:
            message.content.encode()  # half of a character cannot be sent
        return messages

    def _row_key(self, messages: tuple[Message, ...]) -> str:
        key = key_of(self._key, repr(messages))
        if self._order.repeatable:
            return key
        self._occurrences[key] += 1
        return f"{key}.{self._occurrences[key]}"

    def _record(self, task: _Task) -> Record | None:
        return self._journal.known.get(task.key) if self._journal is not None else None

    @property
    def outcomes(self) -> list[Outcome]:
        """Of all rows that were fed, in order."""
        return [self._found.get(number) or _not_asked(number, label) for number, label in enumerate(self._labels)]

    @property
    def stats(self) -> MapStats:
        seconds = time.monotonic() - self._began
        counts = (len(self._labels), self._asked, self._reused, self._failed, self._cut)
        return MapStats(self.model, *counts, seconds, *self._tokens)

    @property
    def progress(self) -> Progress:
        waits = max(0.0, self._not_before - time.monotonic())
        return Progress(len(self._found), self._order.total, self._failed, self._reused, self._speed.rate, waits)

    # --- on the client's loop ---------------------------------------------------------------------

    async def steps(self) -> AsyncGenerator[Wanted | Progress, None]:
        """Room for rows, and from time to time how far the run is. Closing it ends what is under way in the engine.

        Raises:
            UmlError: something that no other row would survive either. What has come is kept.
            OSError: the journal cannot be written.
        """
        shown = 0.0
        try:
            await self._open()
            while self._running or self._fed or not self._ended:
                if time.monotonic() - shown >= SHOW_SECONDS:
                    yield self.progress
                    shown = time.monotonic()
                room = self._width - len(self._running)
                if room > 0 and not self._ended:
                    yield Wanted(room)
                self._start()
                if self._running and (self._ended or len(self._running) >= self._width):
                    await self._wait()
        finally:
            await self._close()

    async def _open(self) -> None:
        """Which model, and what is known of its answers."""
        order, self._loop = self._order, asyncio.get_running_loop()
        self.model = order.model or await self._client.default_model()
        identity: list[Any] = [self.model]
        if (status := await self._status()) is not None:
            adapters = status.settings.lora if status.settings is not None else ()
            identity = [status.id, status.size_bytes, repr(adapters)]
            self._fit(status)
        text = order.prompt.text if isinstance(order.prompt, Template) else None
        self._key = key_of(identity, text, order.system, order.form.grammar, dict(order.options))
        self._journal = await asyncio.to_thread(Journal.of_run, order.folder, self._key, not order.resume)
        await self._wire.open()

    async def _status(self) -> ModelStatus | None:
        with contextlib.suppress(PermissionDenied):  # a key may ask, and yet not look at models
            return await self._client.model(self.model)
        return None

    def _fit(self, status: ModelStatus | None) -> None:
        """As many rows in flight as keep the model at work, once it is loaded."""
        if not self._measured and (status is None or status.settings is not None):
            parallel = UNKNOWN_PARALLEL if status is None or status.settings is None else status.settings.n_parallel
            self._width, self._measured = min(MOST, AHEAD * parallel), True

    def _start(self) -> None:
        """With what was fed: a request for each row whose answer is not known, nor on its way for another one."""
        while self._fed and not self._closed:
            task = self._fed.popleft()
            if task.error is not None:
                self._settle(task.row, Outcome(error=task.error))
            elif record := self._record(task):
                self._reused += 1
                self._settle(task.row, self._outcome(task.row, record))
            else:
                self._same[task.key].append(task.row)
                if len(self._same[task.key]) > 1:
                    self._reused += 1
                else:
                    running = asyncio.create_task(self._ask(task))
                    running.add_done_callback(lambda _: self._news.set())
                    self._running.add(running)

    async def _wait(self) -> None:
        """Until a row has ended, more of them have room, or it is time to show something."""
        assert self._journal is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHOW_SECONDS):
                await self._news.wait()
        self._news.clear()
        ended = {task for task in self._running if task.done()}
        self._running -= ended
        if self._journal.due:
            await asyncio.to_thread(self._journal.sync)
        if errors := [error for task in ended if (error := task.exception())]:
            raise errors[0]

    async def _ask(self, task: _Task) -> None:
        """Until there is an answer, or an error that stays."""
        attempt = 0
        while True:
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            try:
                self._keep(task, await self._answer(task))
                return
            except UmlError as error:
                wait = patience.delay(error, attempt)
                if wait is None and not patience.of_the_row(error):
                    raise
                if wait is None:
                    self._give_up(task, error)
                    return
            self._not_before = max(self._not_before, time.monotonic() + wait)  # for all: they would fare the same
            attempt += 1

    async def _answer(self, task: _Task) -> Reply:
        if self._measured:
            return await self._wire.ask(self.model, task.messages)
        stream: AsyncStream = self._client.stream(task.messages, model=self.model, **self._options)
        async with stream:  # the first one: when it begins, the model has been loaded
            async for _ in stream:
                if not self._measured:
                    self._fit(await self._status())
                    self._news.set()
        answer = stream.answer
        return Reply(answer.text, answer.finish_reason, answer.usage or Usage())

    def _keep(self, task: _Task, reply: Reply) -> None:
        assert self._journal is not None
        counts = (reply.usage.prompt_tokens, reply.usage.cached_tokens, reply.usage.completion_tokens)
        record = Record(reply.text, reply.finish, *counts)
        self._journal.add(task.key, record)
        prompt, cached, completion = self._tokens
        self._tokens = (prompt + counts[0], cached + counts[1], completion + counts[2])
        self._asked += 1
        self._speed.tick()
        for row in self._same.pop(task.key):
            self._settle(row, self._outcome(row, record))

    def _give_up(self, task: _Task, error: UmlError) -> None:
        self._asked += 1
        self._speed.tick()
        for row in self._same.pop(task.key):
            self._settle(row, Outcome(error=_row_error(row, error)))

    def _outcome(self, row: Row, record: Record) -> Outcome:
        cut = record.finish == "length"
        try:
            return Outcome(self._order.form.read(record.text), cut=cut)
        except ValueError as error:
            why = (
                "the answer was cut off" if cut else f"the answer does not fit the schema: {str(error).splitlines()[0]}"
            )
            return Outcome(error=RowError(row.number, row.label, why, "unreadable_answer"), cut=cut)

    def _settle(self, row: Row, outcome: Outcome) -> None:
        self._failed += outcome.error is not None
        self._cut += outcome.cut
        self._found[row.number] = outcome

    async def _close(self) -> None:
        self._closed = True
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()
        await self._wire.aclose()
        if self._journal is not None:
            await asyncio.to_thread(self._journal.close)


def _called(prompt: Any, item: Any) -> Any:
    """What a function makes of a row; what it raises is the row's error."""
    try:
        return prompt(item)
    except Exception as error:
        raise RowRefusedError(f"the prompt's function raised {type(error).__name__}: {error}") from error


def _row_error(row: Row, error: Exception) -> RowError:
    if isinstance(error, UmlError):
        return RowError(row.number, row.label, error.message, error.code)
    if isinstance(error, UnicodeEncodeError):
        return RowError(row.number, row.label, "the text holds half a character", "row_refused")
    return RowError(row.number, row.label, str(error), "row_refused")


def _not_asked(number: int, label: Any) -> Outcome:
    return Outcome(error=RowError(number, label, "not asked yet", "not_asked"))
