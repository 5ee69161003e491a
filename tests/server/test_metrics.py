"""`GET metrics` and `GET models/{id}/history`: what a server tells about its models over time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from jupyter_uml.loader.health import HealthMonitor
from jupyter_uml.server.metrics import ModelCollector
from tests.conftest import Server, wait_until


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def _read_open_metrics(text: str) -> Iterator[Metric]:
    yield from parse_openmetrics(text)  # type: ignore[no-untyped-call]


def value(metrics: dict[str, Metric], name: str, **labels: str) -> float | None:
    """Of the sample with these labels; None: there is none."""
    samples = [sample for family in metrics.values() for sample in family.samples if sample.name == name]
    return next((sample.value for sample in samples if labels.items() <= sample.labels.items()), None)


def test_what_was_counted_is_told_as_prometheus_wants_it() -> None:
    monitor = HealthMonitor()
    monitor.count_load("org/model:Q8", 0.7)
    monitor.count_load("org/model:Q8", 5000.0)
    counters = monitor.counters()["org/model:Q8"]
    counters.requests["stop"] += 2
    counters.began_to_answer(0.2)
    registry = CollectorRegistry()
    registry.register(ModelCollector(monitor, {"org/model:Q8": "available", "never-loaded": "available"}))
    metrics = families(generate_latest(registry).decode())
    model = {"model": "org/model:Q8"}
    assert value(metrics, "jupyter_uml_loads_total", **model) == 2
    assert value(metrics, "jupyter_uml_crashes_total", **model) == 0
    assert value(metrics, "jupyter_uml_requests_total", outcome="stop", **model) == 2
    assert value(metrics, "jupyter_uml_up", **model) == 0
    assert value(metrics, "jupyter_uml_state", state="available", **model) == 1
    assert value(metrics, "jupyter_uml_state", state="loaded", **model) == 0
    assert value(metrics, "jupyter_uml_load_seconds_bucket", le="1.0", **model) == 1
    assert value(metrics, "jupyter_uml_load_seconds_bucket", le="+Inf", **model) == 2
    assert value(metrics, "jupyter_uml_load_seconds_count", **model) == 2
    assert math.isclose(value(metrics, "jupyter_uml_first_token_seconds_sum", **model) or 0, 0.2)
    assert value(metrics, "jupyter_uml_memory_bytes", **model) is None
    assert "never-loaded" not in generate_latest(registry).decode()


def test_metrics_of_a_server_that_has_answered(server: Server) -> None:
    before = families(server.get("metrics").text)
    server.post("load_model", {"model": "demo"})
    body = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}
    answer = server.post("v1/chat/completions", body).json()
    wait_until(lambda: value(families(server.get("metrics").text), "jupyter_uml_memory_bytes", model="demo"))
    answered = server.get("metrics")
    assert answered.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    metrics = families(answered.text)
    assert value(metrics, "jupyter_uml_up", model="demo") == 1
    assert value(metrics, "jupyter_uml_state", model="demo", state="loaded") == 1
    prompt = (value(before, "jupyter_uml_prompt_tokens_total", model="demo") or 0) + answer["usage"]["prompt_tokens"]
    assert value(metrics, "jupyter_uml_prompt_tokens_total", model="demo") == prompt
    open_metrics = server.get("metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert open_metrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert {family.name for family in _read_open_metrics(open_metrics.text)} == set(metrics)


def told(server: Server) -> list[dict[str, Any]]:
    return list(server.get("models/demo/history").json()["samples"])


def test_the_last_hour_of_a_model(server: Server) -> None:
    began = time.time()
    server.post("load_model", {"model": "demo"})
    samples = wait_until(lambda: [row for row in told(server) if row["time"] > began])
    assert samples[-1]["memory_bytes"] > 10 << 20
    assert samples[-1]["active"] == 0
    server.post("unload_model", {"model": "demo"})
    assert told(server), "it stays when the model has gone"
    assert server.get("models/nowhere/history").status_code == 404


def test_answers_are_counted_by_route_and_status(server: Server) -> None:
    """By the route as it is listed: what clients make up adds no line."""
    before = families(server.get("metrics").text)
    server.get("models/demo")
    for number in range(3):
        server.get(f"models/nope-{number}")
        server.get(f"nope/{number}")
    after = families(server.get("metrics").text)

    def more(route: str, status: int) -> float:
        labels = {"route": route, "status": str(status)}
        name = "jupyter_uml_http_requests_total"
        return (value(after, name, **labels) or 0) - (value(before, name, **labels) or 0)

    assert more("models/{}", 200) == 1
    assert more("models/{}", 404) == 3
    assert more("unknown", 404) == 3


def test_whoever_asks_for_a_version_that_is_none_gets_the_usual_one(server: Server) -> None:
    answer = server.get("metrics", headers={"Accept": "application/openmetrics-text; version=abc"})
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (200, "text/plain")
