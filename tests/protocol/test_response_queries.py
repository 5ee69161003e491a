"""Pages of a kept answer's items, and the parameters of their URLs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.responses.queries import ListQuery, ReadQuery, page, read_query

ITEMS = [{"id": name} for name in "abcde"]


def ids(body: dict[str, Any]) -> str:
    return "".join(row["id"] for row in body["data"])


def test_the_newest_come_first_unless_asked_otherwise() -> None:
    assert ids(page(ITEMS, ListQuery())) == "edcba"
    assert ids(page(ITEMS, ListQuery(order="asc"))) == "abcde"


def test_pages_follow_each_other_to_the_end() -> None:
    first = page(ITEMS, read_query(ListQuery, {"limit": ["2"], "order": ["asc"]}))
    assert (ids(first), first["first_id"], first["last_id"], first["has_more"]) == ("ab", "a", "b", True)
    last = page(ITEMS, read_query(ListQuery, {"limit": ["3"], "order": ["asc"], "after": ["b"]}))
    assert (ids(last), last["has_more"]) == ("cde", False)


def test_an_empty_page_has_no_ends() -> None:
    body = page([], ListQuery())
    assert (body["data"], body["first_id"], body["last_id"], body["has_more"]) == ([], None, None, False)


def test_a_page_after_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        page(ITEMS, ListQuery(after="z"))
    assert caught.value.param == "after"


def test_lists_may_be_written_with_brackets() -> None:
    query = read_query(ReadQuery, {"include[]": ["message.output_text.logprobs", "reasoning.encrypted_content"]})
    assert query.include == ["message.output_text.logprobs", "reasoning.encrypted_content"]


@pytest.mark.parametrize(
    ("arguments", "param"),
    [
        ({"limit": ["0"]}, "limit"),
        ({"limit": ["101"]}, "limit"),
        ({"limit": ["many"]}, "limit"),
        ({"limit": ["9" * 5000]}, "limit"),
        ({"order": ["up"]}, "order"),
        ({"before": ["a"]}, "before"),
        ({"include": ["everything"]}, "include.0"),
    ],
)
def test_other_parameters_are_refused_by_name(arguments: Mapping[str, Sequence[str]], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_query(ListQuery, arguments)
    assert caught.value.param == param


def test_a_kept_answer_is_not_streamed_again() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_query(ReadQuery, {"stream": ["true"]})
    assert caught.value.param == "stream"
