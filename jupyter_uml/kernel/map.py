"""`jupyter_uml.map` and `amap`: one prompt for every row of a table, answered as fast as the model can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from contextlib import aclosing, closing
from typing import Any, TypeVar

from IPython.core.getipython import get_ipython

from jupyter_uml.client import AsyncUniversalClient, UniversalClient
from jupyter_uml.client.arguments import Conversation, to_request
from jupyter_uml.client.cache_folder import cache_folder
from jupyter_uml.client.loop_thread import LoopThread
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.cell_view import view_for
from jupyter_uml.kernel.mapping.form import form_of
from jupyter_uml.kernel.mapping.progress import Progress
from jupyter_uml.kernel.mapping.result import MapInterrupted, Mapped, NewColumns, mapped
from jupyter_uml.kernel.mapping.rows import Source
from jupyter_uml.kernel.mapping.run import Order, Run, Wanted
from jupyter_uml.kernel.mapping.template import LATE, Template
from jupyter_uml.kernel.session import shared_client

T = TypeVar("T")

_LATE_TEXT = "faster: put what is the same for all rows before what differs, so that it is computed once"


def map(
    data: Any,
    prompt: str | Callable[[Any], Conversation],
    *,
    schema: Any = None,
    model: str | None = None,
    system: str | None = None,
    column: str | None = None,
    resume: bool = True,
    progress: bool = True,
    concurrency: int | None = None,
    client: UniversalClient | None = None,
    **options: Any,
) -> Mapped:
    """Asks `prompt` about every row of `data`; the result's `data` is the frame with new columns, or a list of values.

    `data`: a frame or series of pandas or polars, or an iterable of texts or dicts; a generator is read as needed.
    `prompt`: a text with `{column}` in it (`{text}` for texts), or a function of a row that gives a text or a list of
    messages. What is the same for all rows is computed once where it comes first: in `system`, or at the start.
    `schema`: what answers are: a pydantic model or a JSON schema of an object, which become a column for each field, or
    a type such as `int` or `Literal["good", "bad"]`; None: text. `column`: the new column's name, or what the names of
    several begin with. A column `error` says which rows have no value, and why.

    Rows whose answer is known from an earlier run of the same model, prompt, schema and options are not asked again,
    so a run that was interrupted, also by the kernel's end, goes on when it is called again; `resume=False` forgets
    these answers. `concurrency`: rows asked at once; None: as many as keep the model at work. `options`: as for
    `UniversalClient.chat`; temperature is 0 and priority "batch" unless they say so.

    Raises:
        InvalidRequest: an argument is wrong; `param` names it.
        UmlError: what no row would survive: the model is not there, the server is gone. What had come is kept.
        MapInterrupted: a KeyboardInterrupt, with what had come as its `result`.
    """
    client = client or shared_client()
    order = {"model": model, "system": system, "resume": resume, "concurrency": concurrency}
    work = _Work(client.aio, data, prompt, schema, column, progress, options, **order)
    try:
        with closing(client.background.iterate(work.run.steps())) as steps:
            for step in steps:
                if isinstance(step, Wanted):
                    work.supply(step.rows)
                else:
                    work.show(step)
    except KeyboardInterrupt:
        raise work.interrupted() from None
    except BaseException:
        work.stopped()
        raise
    return work.result()


async def amap(
    data: Any,
    prompt: str | Callable[[Any], Conversation],
    *,
    schema: Any = None,
    model: str | None = None,
    system: str | None = None,
    column: str | None = None,
    resume: bool = True,
    progress: bool = True,
    concurrency: int | None = None,
    client: AsyncUniversalClient | None = None,
    **options: Any,
) -> Mapped:
    """As `map`, for asynchronous code; `data` may also be an asynchronous iterable. Cancelling it keeps what came."""
    order = {"model": model, "system": system, "resume": resume, "concurrency": concurrency}
    items = aiter(data) if hasattr(data, "__aiter__") else None
    aio = client or shared_client().aio
    work = _Work(aio, () if items else data, prompt, schema, column, progress, options, **order)
    steps = work.run.steps()
    try:
        async with aclosing(steps if client else _from_here(shared_client().background, steps)) as steps:
            async for step in steps:
                if not isinstance(step, Wanted):
                    work.show(step)
                elif items:
                    await work.supply_from(items, step.rows)
                else:
                    work.supply(step.rows)
    except BaseException:
        work.stopped()
        raise
    return work.result()


async def _from_here(thread: LoopThread, items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """`items`, which belong to the loop of `thread`, on the loop of who asks."""
    try:
        while (item := await _there(thread, _next(items))) is not None:
            yield item
    finally:
        await asyncio.shield(_there(thread, items.aclose()))


async def _there(thread: LoopThread, work: Coroutine[Any, Any, T]) -> T:
    job = thread.start(work)
    try:
        return await asyncio.wrap_future(job.future)
    except asyncio.CancelledError:
        job.cancel()
        await asyncio.gather(asyncio.wrap_future(job.future), return_exceptions=True)  # until it has let go
        raise


async def _next(items: AsyncGenerator[T, None]) -> T | None:
    return await anext(items, None)


class _Work:
    """A run, where its rows come from, and where it is shown."""

    def __init__(
        self,
        client: AsyncUniversalClient,
        data: Any,
        prompt: str | Callable[[Any], Conversation],
        schema: Any,
        column: str | None,
        progress: bool,
        options: Mapping[str, Any],
        **order: Any,
    ) -> None:
        form, options = form_of(schema), {"temperature": 0.0, "priority": "batch", **options}
        to_request("", "", {**options, "grammar": form.grammar})  # an unknown option is told before any row is asked
        if order["concurrency"] is not None and order["concurrency"] < 1:
            raise InvalidRequest("`concurrency` is at least 1.", param="concurrency")
        asked = Template(prompt) if isinstance(prompt, str) else prompt
        self._source = Source(data, asked)
        table = self._source.table
        self._columns = None if table is None else NewColumns(form, column, table.names)
        self._view = view_for(get_ipython()) if progress else None
        self.run = Run(client, Order(asked, form, options, cache_folder("map"), total=self._source.total, **order))

    def supply(self, wanted: int) -> None:
        """So many rows that have to be asked, and on the way those that have not."""
        for row in self._source:
            wanted -= self.run.feed(row)
            if wanted <= 0:
                return
        self.run.end()

    async def supply_from(self, items: AsyncIterator[Any], wanted: int) -> None:
        async for item in items:
            wanted -= self.run.feed(self._source.row_of(item))
            if wanted <= 0:
                return
        self.run.end()

    def show(self, progress: Progress) -> None:
        if self._view is not None:
            self._view.progress(str(progress), progress.fraction)

    def result(self) -> Mapped:
        result = self._mapped()
        hint = f" · {_LATE_TEXT}" if self._source.late_text >= LATE else ""
        self._say(f"{result.stats}{hint}")
        return result

    def interrupted(self) -> MapInterrupted:
        return MapInterrupted(self.stopped(), self._mapped())

    def stopped(self) -> str:
        """Says how far it came, and how to go on."""
        line = f"Stopped: {self.run.progress}. What is done is kept: run the cell again to go on."
        if self.run.progress.done:
            self._say(line)
        return line

    def _mapped(self) -> Mapped:
        return mapped(self._source.table, self._columns, self.run.outcomes, self.run.stats)

    def _say(self, line: str) -> None:
        if self._view is not None:
            self._view.line(line)
