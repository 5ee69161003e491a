"""`GET metrics`: the figures of the models for Prometheus.

Formats: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import get_args

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from jupyter_uml.loader.health import HealthMonitor
from jupyter_uml.loader.vitals.counters import Histogram, ModelCounters
from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.gate import Gate
from jupyter_uml.types import ModelState, Sample

_PREFIX = "jupyter_uml_"
_GAUGES: dict[str, tuple[str, Callable[[Sample], float | None]]] = {
    "memory_bytes": ("Resident memory of the worker.", lambda sample: sample.memory_bytes),
    "gpu_memory_bytes": ("GPU memory of the worker, where it is known.", lambda sample: sample.gpu_memory_bytes),
    "cpu_percent": ("CPU that the worker takes, of one core.", lambda sample: sample.cpu_percent),
    "tokens_per_second": ("Tokens of all answers together.", lambda sample: sample.tokens_per_second),
    "active_requests": ("Requests that run or are queued.", lambda sample: sample.active),
    "waiting_requests": ("Requests without a first token.", lambda sample: sample.waiting),
}
_COUNTERS: dict[str, tuple[str, Callable[[ModelCounters], int]]] = {
    "prompt_tokens": ("Tokens of prompts.", lambda counters: counters.prompt_tokens),
    "cached_tokens": ("Of them, those that were found in a cache.", lambda counters: counters.cached_tokens),
    "completion_tokens": ("Tokens of answers.", lambda counters: counters.completion_tokens),
    "loads": ("Times that the model was loaded.", lambda counters: counters.loads),
    "crashes": ("Times that its worker died.", lambda counters: counters.crashes),
    "evictions": ("Times that it was unloaded to make room.", lambda counters: counters.evictions),
}
_HISTOGRAMS: dict[str, tuple[str, Callable[[ModelCounters], Histogram]]] = {
    "first_token_seconds": ("From a request to its first token.", lambda counters: counters.first_token),
    "token_seconds": ("From one token to the next, an answer's mean.", lambda counters: counters.token),
    "load_seconds": ("Loading the model.", lambda counters: counters.load),
}


class ModelCollector(Collector):
    """The models that were loaded since the server started. `states`: of all models, by id. `may_see`: which of them
    are told about."""

    def __init__(
        self,
        monitor: HealthMonitor,
        states: Mapping[str, ModelState],
        may_see: Callable[[str], bool] = lambda _model: True,
    ) -> None:
        self._monitor, self._states, self._may_see = monitor, states, may_see

    def collect(self) -> Iterable[Metric]:
        counted = {model: counters for model, counters in self._monitor.counters().items() if self._may_see(model)}
        yield from self._presence(counted)
        yield from self._gauges(counted)
        yield from _counters(counted)
        yield from _histograms(counted)

    def _presence(self, models: Iterable[str]) -> Iterator[Metric]:
        up = GaugeMetricFamily(f"{_PREFIX}up", "Whether the model has a worker.", labels=["model"])
        state = GaugeMetricFamily(f"{_PREFIX}state", "1 for the state it is in.", labels=["model", "state"])
        for model in models:
            up.add_metric([model], model in self._monitor.up)
            for name in get_args(ModelState) if model in self._states else ():
                state.add_metric([model, name], self._states[model] == name)
        yield from (up, state)

    def _gauges(self, models: Iterable[str]) -> Iterator[Metric]:
        samples = {model: sample for model in models if (sample := self._monitor.latest(model)) is not None}
        for name, (meaning, read) in _GAUGES.items():
            gauge = GaugeMetricFamily(f"{_PREFIX}{name}", meaning, labels=["model"])
            for model, sample in samples.items():
                if (value := read(sample)) is not None:
                    gauge.add_metric([model], value)
            yield gauge


class GateCollector(Collector):
    """How all requests ended, by route and status."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def collect(self) -> Iterable[Metric]:
        answers = CounterMetricFamily(
            f"{_PREFIX}http_requests", "Answers by route and status.", labels=["route", "status"]
        )
        for (route, status), count in self._gate.requests.items():
            answers.add_metric([route, str(status)], count)
        yield answers
        lost = self._gate.usage.lost + self._gate.audit.trouble.lost
        yield CounterMetricFamily(f"{_PREFIX}lost_records", "Records that the disk did not take.", value=lost)


def _counters(counted: Mapping[str, ModelCounters]) -> Iterator[Metric]:
    requests = CounterMetricFamily(f"{_PREFIX}requests", "Requests by how they ended.", labels=["model", "outcome"])
    for model, counters in counted.items():
        for outcome, count in counters.requests.items():
            requests.add_metric([model, outcome], count)
    yield requests
    for name, (meaning, read) in _COUNTERS.items():
        counter = CounterMetricFamily(f"{_PREFIX}{name}", meaning, labels=["model"])
        for model, counters in counted.items():
            counter.add_metric([model], read(counters))
        yield counter


def _histograms(counted: Mapping[str, ModelCounters]) -> Iterator[Metric]:
    for name, (meaning, read) in _HISTOGRAMS.items():
        family = HistogramMetricFamily(f"{_PREFIX}{name}", meaning, labels=["model"])
        for model, counters in counted.items():
            histogram = read(counters)
            buckets = [("+Inf" if bound == math.inf else str(bound), count) for bound, count in histogram.buckets()]
            family.add_metric([model], buckets, histogram.sum)
        yield family


class MetricsHandler(UmlHandler):
    scope = "models:read"

    async def get(self) -> None:
        states = {status.id: status.state for status in await self.service.models()}
        registry = CollectorRegistry()
        registry.register(ModelCollector(self.service.loader.monitor, states, self.principal.may_use))
        registry.register(GateCollector(self.gate))
        try:
            encode, content_type = choose_encoder(self.request.headers.get("Accept", ""))
        except (TypeError, ValueError):  # it asks for a version that is not a number
            encode, content_type = choose_encoder("")
        self.set_header("Content-Type", content_type)
        self.finish(encode(registry))
