"""What was used: `GET usage` by key, model and day, `GET usage/records` request by request."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from jupyter_uml.access import Grouping
from jupyter_uml.access.rows import record_row, usage_row
from jupyter_uml.access.usage import MOST_RECORDS_SHOWN
from jupyter_uml.protocol.body import StrictBody, validated
from jupyter_uml.server.base import UmlHandler


def _split(value: Any) -> Any:
    return [name for name in value.split(",") if name] if isinstance(value, str) else value


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 10 else value


def _day(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError("must be a day in UTC, such as 2026-11-22") from None


Day = Annotated[str, AfterValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Name = Annotated[str, Field(max_length=256)]


class FilterQuery(StrictBody):
    """`key`: the id of a key, or `jupyter` for this server's own user."""

    key: Name | None = None
    model: Name | None = None


class UsageQuery(FilterQuery):
    """`since` and `until` are days in UTC, both included."""

    by: Annotated[list[Grouping], Field(max_length=3), BeforeValidator(_split)] = ["key", "model", "day"]  # noqa: RUF012
    since: Day | None = None
    until: Day | None = None


class RecordsQuery(FilterQuery):
    limit: Annotated[int, Field(ge=1, le=MOST_RECORDS_SHOWN), BeforeValidator(_number)] = 100


Query = TypeVar("Query", bound=FilterQuery)


class _UsageHandler(UmlHandler):
    scope = "keys:admin"

    def query(self, model: type[Query]) -> Query:
        names = [name for name in self.request.query_arguments if name != "token"]  # Jupyter's credential
        return validated(model, {name: self.get_query_argument(name) for name in names})


class UsageHandler(_UsageHandler):
    async def get(self) -> None:
        query = self.query(UsageQuery)
        totals = await self.gate.usage.sums(
            query.by, since=query.since, until=query.until, principal=query.key, model=query.model
        )
        self.write_json({"by": query.by, "usage": [usage_row(total, query.by) for total in totals]})


class UsageRecordsHandler(_UsageHandler):
    async def get(self) -> None:
        query = self.query(RecordsQuery)
        records = await self.gate.usage.records(query.limit, principal=query.key, model=query.model)
        self.write_json({"records": [record_row(record) for record in records]})


USAGE_ROUTES: list[tuple[str, type[UmlHandler]]] = [("usage", UsageHandler), ("usage/records", UsageRecordsHandler)]
