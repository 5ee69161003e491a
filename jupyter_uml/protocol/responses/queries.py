"""What may be asked about kept answers in a URL, and the pages in which their items are listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.body import StrictBody, validated
from jupyter_uml.protocol.responses.body import Includable

MAX_PAGE = 100
_LISTS = ("include",)


def _number(text: Any) -> Any:
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 10 else text


class KeptQuery(StrictBody):
    """`include`: nothing is ever left out of what is kept."""

    include: Annotated[list[Includable], Field(max_length=64)] | None = None


class ReadQuery(KeptQuery):
    stream: Literal["false"] | None = None  # an answer is kept when it is whole


class ListQuery(KeptQuery):
    after: Annotated[str, Field(max_length=64)] | None = None
    limit: Annotated[int, BeforeValidator(_number), Field(ge=1, le=MAX_PAGE)] = 20
    order: Literal["asc", "desc"] = "desc"


Query = TypeVar("Query", bound=KeptQuery)


def read_query(model: type[Query], arguments: Mapping[str, Sequence[str]]) -> Query:
    """The parameters of a URL; of lists, `name` and `name[]` are the same.

    Raises:
        InvalidRequest: one is not known or wrong; `param` names it.
    """
    sent: dict[str, Any] = {}
    for name, values in arguments.items():
        plain = name.removesuffix("[]")
        sent[plain] = list(values) if plain in _LISTS else values[-1]
    return validated(model, sent)


def page(items: Sequence[dict[str, Any]], query: ListQuery) -> dict[str, Any]:
    """A page of `items`, which are in the order of the conversation.

    Raises:
        InvalidRequest: `after` is none of them.
    """
    rows = list(items) if query.order == "asc" else list(reversed(items))
    if query.after is not None:
        places = [place for place, row in enumerate(rows) if row["id"] == query.after]
        if not places:
            raise InvalidRequest(f"after: there is no item {query.after!r} here.", param="after")
        rows = rows[places[0] + 1 :]
    shown = rows[: query.limit]
    ends = {"first_id": shown[0]["id"] if shown else None, "last_id": shown[-1]["id"] if shown else None}
    return {"object": "list", "data": shown, **ends, "has_more": len(rows) > len(shown)}
