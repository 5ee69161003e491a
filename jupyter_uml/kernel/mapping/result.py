"""What a run gives back: the frame or the list, what went wrong in which row, and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_uml.display import figures
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.mapping.columns import Column
from jupyter_uml.kernel.mapping.form import Form
from jupyter_uml.kernel.mapping.rows import Table

ANSWER, ERROR = "answer", "error"


@dataclass(frozen=True, slots=True)
class RowError:
    """A row without a value. `row`: its number; `label`: its place in the frame's index."""

    row: int
    label: Any
    message: str
    code: str  # as of UmlErrors; `unreadable_answer`, `row_refused` or `not_asked`


@dataclass(frozen=True, slots=True)
class MapStats:
    """`asked`: rows sent to the model, some again after an error. `reused`: rows whose answer was known, from an
    earlier run or an equal row. `cut`: answers that ended at `max_tokens` or with the context. The token counts are
    those of the answers that were asked for."""

    model: str
    rows: int
    asked: int
    reused: int
    failed: int
    cut: int
    seconds: float
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int

    @property
    def rows_per_second(self) -> float | None:
        return self.asked / self.seconds if self.asked and self.seconds else None

    def __str__(self) -> str:
        parts = [
            figures.plural(self.rows, "row"),
            f"{self.reused} known already" if self.reused else "",
            f"{self.rows_per_second:.3g} rows/s" if self.rows_per_second else "",
            f"{self.cached_tokens / self.prompt_tokens:.0%} of the prompts cached" if self.cached_tokens else "",
            f"{self.cut} cut off" if self.cut else "",
            figures.plural(self.failed, "error") if self.failed else "no errors",
        ]
        return " · ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one row: a value, or an error."""

    value: Any = None
    error: RowError | None = None
    cut: bool = False


class Mapped:
    """`data`: the frame with new columns, or the list of values where an iterable was mapped. `values`: one for each
    row, None where there is none. `errors`: the rows that have none, and why."""

    def __init__(self, data: Any, values: list[Any], errors: list[RowError], stats: MapStats) -> None:
        self.data, self.values, self.errors, self.stats = data, values, errors, stats

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __getitem__(self, key: Any) -> Any:
        """As of `data`: a column, or the value of a row of a list."""
        return self.data[key]

    def __repr__(self) -> str:
        return f"{self.data!r}\n[{self.stats}]"

    def _repr_html_(self) -> str | None:
        """The frame's own; None where there is none, and IPython takes the text."""
        html = getattr(self.data, "_repr_html_", None)
        return None if html is None else html()


class MapInterrupted(KeyboardInterrupt):
    """`result`: what had come. It is kept, too: the same call goes on from there."""

    def __init__(self, message: str, result: Mapped) -> None:
        super().__init__(message)
        self.result = result

    def _render_traceback_(self) -> list[str]:  # IPython asks for it
        return [f"\x1b[1mjupyter_uml:\x1b[0m {self}"]


class NewColumns:
    """Which columns the frame gets.

    Raises:
        InvalidRequest: it has one of that name.
    """

    def __init__(self, form: Form, column: str | None, names: Sequence[str]) -> None:
        self._form = form
        self._kinds = {column or ANSWER: form.kind}
        if form.fields is not None:
            self._kinds = {f"{column}_{name}" if column else name: kind for name, kind in form.fields.items()}
        taken = {*names, *self._kinds}
        self._error = ERROR if ERROR not in taken else f"{column or ANSWER}_{ERROR}"
        twice = [name for name in (*self._kinds, self._error) if name in names]
        if twice:
            raise InvalidRequest(f"The frame has a column {twice[0]!r} already: say `column=`.", param="column")

    def of(self, outcomes: Sequence[Outcome]) -> list[Column]:
        values = [[outcome.value] for outcome in outcomes]
        if self._form.fields is not None:
            values = [self._fields(outcome.value) for outcome in outcomes]
        messages = [outcome.error and outcome.error.message for outcome in outcomes]
        made = [Column(n, kind, [each[i] for each in values]) for i, (n, kind) in enumerate(self._kinds.items())]
        return [*made, Column(self._error, "string", messages)]

    def _fields(self, value: Any) -> list[Any]:
        assert self._form.fields is not None
        plain = {} if value is None else self._form.plain(value)
        return [plain.get(name) for name in self._form.fields]


def mapped(table: Table | None, columns: NewColumns | None, outcomes: Sequence[Outcome], stats: MapStats) -> Mapped:
    values = [outcome.value for outcome in outcomes]
    data = values if table is None or columns is None else table.with_columns(columns.of(outcomes))
    return Mapped(data, values, [outcome.error for outcome in outcomes if outcome.error], stats)
