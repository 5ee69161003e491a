"""What is told of use adds up to what was asked, by key, model and day, and request by request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Server, launch

COUNTS = ("requests", "errors", "tokens_in", "tokens_out")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, dict[str, Any]]]]:
    """A server, and what two keys asked of it: figures by the key's id and model."""
    server = launch(tmp_path_factory.mktemp("usage"))
    try:
        yield server, ask_all(server)
    finally:
        server.stop()


def ask_all(server: Server) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {}
    for name, model, times in (("ada", "demo", 3), ("ada", "endless", 1), ("bob", "demo", 2)):
        key = figures.get(f"{name}/") or server.post("keys", {"name": name, "scopes": ["infer"]}).json()
        figures[f"{name}/"] = key
        total = figures[f"{name}/{model}"] = dict.fromkeys(COUNTS, 0)
        for place in range(times):
            body = {"model": model, "prompt": f"Number {place}", "max_tokens": 3 + place}
            usage = server.post("v1/completions", body, headers=bearer(key)).json()["usage"]
            total["requests"] += 1
            total["tokens_in"] += usage["prompt_tokens"]
            total["tokens_out"] += usage["completion_tokens"]
    wrong = {"model": "demo", "prompt": "x", "max_tokens": 1, "temperature": 99}
    server.post("v1/completions", wrong, headers=bearer(figures["bob/"]))
    return figures


def bearer(key: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['key']}"}


Asked = tuple[Server, dict[str, dict[str, Any]]]


def told(server: Server, query: str) -> list[dict[str, Any]]:
    answer = server.get(f"usage{query}")
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["usage"]
    return rows


def counts(row: dict[str, Any]) -> dict[str, int]:
    return {name: row[name] for name in COUNTS}


def test_by_key_and_model(asked: Asked) -> None:
    server, figures = asked
    rows = {f"{row['name']}/{row['model']}": counts(row) for row in told(server, "?by=key,model") if row["model"]}
    assert rows == {name: figures[name] for name in ("ada/demo", "ada/endless", "bob/demo")}


def test_every_grouping_has_the_same_sum(asked: Asked) -> None:
    server, _ = asked
    [total] = told(server, "?by=")
    assert total["requests"] == 7
    assert total["errors"] == 1
    assert "key" not in total
    for by in ("key", "model", "day", "key,model", "model,day", "key,model,day"):
        rows = told(server, f"?by={by}")
        assert {name: sum(row[name] for row in rows) for name in COUNTS} == counts(total), by
        assert all(set(by.split(",")) <= row.keys() for row in rows)


def test_filters(asked: Asked) -> None:
    server, figures = asked
    ada = figures["ada/"]["id"]
    [row] = told(server, f"?by=key&key={ada}")
    assert (row["key"], row["requests"]) == (ada, 4)
    assert [row["model"] for row in told(server, "?by=model&model=endless")] == ["endless"]
    today = datetime.now(UTC).date()
    yesterday, tomorrow = today - timedelta(1), today + timedelta(1)
    assert told(server, f"?since={tomorrow}") == told(server, f"?until={yesterday - timedelta(1)}") == []
    assert told(server, f"?since={yesterday}&until={tomorrow}") == told(server, "")


def test_requests_one_by_one(asked: Asked) -> None:
    server, figures = asked
    key = figures["bob/"]
    rows = server.get(f"usage/records?key={key['id']}").json()["records"]
    assert [(row["model"], row["status"], row["error"]) for row in rows] == [
        ("", 400, "invalid_value"),
        ("demo", 200, None),
        ("demo", 200, None),
    ]
    assert {name for row in rows for name in ("key", "name", "route", "prompt") if name in row} == {
        "key",
        "name",
        "route",
    }
    assert sum(row["tokens_out"] for row in rows) == figures["bob/demo"]["tokens_out"]
    assert all(row["duration"] > 0 for row in rows)
    assert len(server.get("usage/records?limit=2").json()["records"]) == 2


@pytest.mark.parametrize(
    ("query", "param", "says"),
    [
        ("?by=hour", "by", "'key', 'model' or 'day'"),
        ("?since=yesterday", "since", "2026-11-22"),
        ("?until=2026-02-30", "until", "2026-11-22"),
        ("?user=ada", "user", "not supported"),
        ("/records?limit=0", "limit", "1"),
        ("/records?limit=many", "limit", "integer"),
    ],
)
def test_mistakes_are_named(asked: Asked, query: str, param: str, says: str) -> None:
    answer = asked[0].get(f"usage{query}")
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param)
    assert says in error["message"]


def test_only_administrators_are_told(asked: Asked) -> None:
    server, figures = asked
    for path in ("usage", "usage/records"):
        assert server.get(path, headers=bearer(figures["ada/"])).status_code == 403
