"""What is mapped: a frame of pandas or polars, a series of theirs, or any iterable, as rows that a template reads.

Neither package is imported: whoever has a frame has done that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.mapping.columns import Column, pandas_column, polars_column
from jupyter_uml.kernel.mapping.template import Prompt, Template

TEXT = "text"  # the name of a series without one, and of the items of an iterable


@dataclass(frozen=True, slots=True)
class Row:
    """`label`: the row's place in the frame's index, else its number. `item`: what a function as prompt is given."""

    number: int
    label: Any
    fields: Mapping[str, Any]
    item: Any


class Table(Protocol):
    """A frame of either package."""

    names: list[str]

    def __len__(self) -> int: ...

    def rows(self, names: Iterable[str] | None) -> Iterator[Row]:
        """With these columns only; None: with all."""
        ...

    def with_columns(self, columns: Iterable[Column]) -> Any:
        """A new frame, with these columns added at its end. It may have more rows than there are values."""
        ...


def table_of(data: Any) -> Table | None:
    """None: it is no frame, but an iterable."""
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(data, pandas.Series):
        data = data.to_frame(TEXT if data.name is None else data.name)
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return _PandasTable(pandas, data)
    if polars is not None and isinstance(data, polars.LazyFrame):
        data = data.collect()
    if polars is not None and isinstance(data, polars.Series):
        data = data.to_frame(data.name or TEXT)
    if polars is not None and isinstance(data, polars.DataFrame):
        return _PolarsTable(polars, data)
    return None


class Source:
    """The rows of what is mapped, one after the other. `total`: how many, None where nobody knows.

    Raises:
        InvalidRequest: there is nothing to map, or the template does not fit it.
    """

    def __init__(self, data: Any, prompt: Prompt) -> None:
        self.table = table_of(data)
        self._prompt = prompt
        self._number = 0
        self.late_text = 0
        if self.table is not None:
            self.total: int | None = len(self.table)
            self._rows = self.table.rows(self._checked(self.table.names))
        elif isinstance(data, str | bytes | Mapping) or not hasattr(data, "__iter__"):
            raise InvalidRequest("What is mapped is a frame, a series, or an iterable of texts or dicts.", param="data")
        else:
            self.total = len(data) if hasattr(data, "__len__") else None
            self._rows = (self.row_of(item) for item in data)

    def __iter__(self) -> Iterator[Row]:
        return self._rows

    def row_of(self, item: Any) -> Row:
        """The next row of an iterable: a dict is its columns, anything else is a text."""
        fields = {str(name): value for name, value in item.items()} if isinstance(item, Mapping) else {TEXT: item}
        number, self._number = self._number, self._number + 1
        if not number:
            self._checked(list(fields))
        return Row(number, number, fields, item)

    def _checked(self, names: list[str]) -> list[str] | None:
        """Those that the prompt names; None: a function gets all."""
        if not isinstance(self._prompt, Template):
            return None
        self.late_text = self._prompt.late_text(names)
        return list(dict.fromkeys(self._prompt.check(names)))


class _PandasTable:
    def __init__(self, pandas: Any, frame: Any) -> None:
        self._pandas, self._frame = pandas, frame
        self.names = _names(frame.columns)
        self._columns = dict(zip(self.names, frame.columns, strict=True))

    def __len__(self) -> int:
        return len(self._frame)

    def rows(self, names: Iterable[str] | None) -> Iterator[Row]:
        wanted = list(self.names if names is None else names)
        columns = [self._frame[self._columns[name]].tolist() for name in wanted]
        return _rows(self._frame.index, wanted, columns)

    def with_columns(self, columns: Iterable[Column]) -> Any:
        return self._frame.assign(**{c.name: pandas_column(self._pandas, c, len(self)) for c in columns})


class _PolarsTable:
    def __init__(self, polars: Any, frame: Any) -> None:
        self._polars, self._frame = polars, frame
        self.names = list(frame.columns)

    def __len__(self) -> int:
        return len(self._frame)

    def rows(self, names: Iterable[str] | None) -> Iterator[Row]:
        wanted = list(self.names if names is None else names)
        return _rows(range(len(self)), wanted, [self._frame[name].to_list() for name in wanted])

    def with_columns(self, columns: Iterable[Column]) -> Any:
        return self._frame.with_columns(*(polars_column(self._polars, column, len(self)) for column in columns))


def _rows(labels: Iterable[Any], names: list[str], columns: list[list[Any]]) -> Iterator[Row]:
    for number, (label, *values) in enumerate(zip(labels, *columns, strict=True)):
        fields = dict(zip(names, values, strict=True))
        yield Row(number, label, fields, fields)


def _names(columns: Iterable[Any]) -> list[str]:
    names = [str(column) for column in columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidRequest(f"The frame has more than one column {twice[0]!r}.", param="data")
    return names
