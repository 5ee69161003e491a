import json
from pathlib import Path

from tests.bench.report import OURS, Results, advantages, as_json, machine, table
from tests.bench.rows import ROWS, Metric, Row
from tests.bench.workloads import streams

PEER = "other"
METRICS = (
    Metric("rate", "tokens/s", "tokens/s", 0.95, higher=True),
    Metric("first", "first token", "ms", 0.5),
    Metric("idle", "idle after", "ms", 0.1, own=True),
    Metric("extra", "for the record", ""),
)


def results(**errors: str) -> Results:
    ours = [{"rate": 10.0, "first": 0.1, "idle": 0.02}, {"rate": 30.0, "first": 0.3, "idle": 0.2}]
    theirs = [{"rate": 10.0, "first": 0.1}, {"rate": 20.0, "first": 0.3}]
    return Results(Row("row", "a row", streams, 1, 256, METRICS), {OURS: ours, PEER: theirs}, errors)


def test_a_line_holds_goal_ratio_both_figures_and_the_verdict() -> None:
    _, _, rate, first, idle, extra = table([results()], PEER).splitlines()
    assert rate == "| a row | tokens/s | ≥ 0.95 | 1.25 | 20 | 15 | ✓ |"
    assert first == "|  | first token | ≤ 0.50 | 1.00 | 200 ms | 200 ms | ✗ |"
    assert idle == "|  | idle after | ≤ 100 ms |  | 110 ms |  | ✗ |"
    assert extra == "|  | for the record |  |  |  |  |  |"


def test_a_server_that_failed_is_told_with_its_reason() -> None:
    text = table([results(**{OURS: "HTTP 400: no", "third": "not shown"})], PEER)
    assert "| failed |" in text
    assert text.endswith(f"- {OURS}, a row: HTTP 400: no")


def test_without_figures_of_the_other_there_is_no_ratio() -> None:
    assert results().ratio("nobody", METRICS[0]) is None
    assert results().reached("nobody", METRICS[0]) is None


def test_more_than_one_is_better_in_the_picture() -> None:
    rate, first = advantages([results()], PEER)
    assert (rate.times, rate.goal, rate.reached) == (1.25, 0.95, True)
    assert (first.times, first.goal, first.reached) == (1.0, 2.0, False)


def test_json_holds_every_round() -> None:
    body = json.loads(json.dumps(as_json([results()], {"rounds": 2})))
    assert body["rounds"] == 2
    assert [figures["rate"] for figures in body["rows"]["row"]["rounds"][OURS]] == [10, 30]


def test_the_machine_is_described_without_names_or_places() -> None:
    text = json.dumps(machine())
    assert str(Path.home()) not in text
    assert {"cpu", "cores", "python", "llama-cpp-python"} <= set(machine())


def test_every_row_has_a_name_of_its_own_and_a_figure() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert all(row.metrics for row in ROWS)
