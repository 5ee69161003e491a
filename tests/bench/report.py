"""Results as a table in Markdown, as JSON and as a picture."""

from __future__ import annotations

import math
import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from tests.bench.rows import Metric, Row
from tests.bench.summary import median, median_ratio
from tests.bench.workloads import Figures

OURS = "jupyter_uml"
MILLI, MEGA = 1e3, 1e-6


@dataclass
class Results:
    """Rounds of one workload, by server. `errors`: why a server has no figures."""

    row: Row
    rounds: dict[str, list[Figures]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def values(self, server: str, metric: Metric) -> list[float]:
        return [figures[metric.key] for figures in self.rounds.get(server, []) if metric.key in figures]

    def ratio(self, peer: str, metric: Metric) -> float | None:
        return median_ratio(self.values(OURS, metric), self.values(peer, metric))

    def reached(self, peer: str, metric: Metric) -> bool | None:
        """Whether the goal is met; None where there is none, or nothing to compare with."""
        if metric.own:
            values = self.values(OURS, metric)
            return metric.reached(median(values)) if values else None
        ratio = self.ratio(peer, metric)
        return None if ratio is None else metric.reached(ratio)


def table(results: list[Results], peer: str) -> str:
    """Ours against one peer."""
    lines = [f"| workload | | goal | ratio | {OURS} | {peer} | |", "| --- | --- | ---: | ---: | ---: | ---: | --- |"]
    for result in results:
        for i, metric in enumerate(result.row.metrics):
            lines.append(_line(result, metric, peer, "" if i else result.row.title))
    shown = {OURS, peer}
    notes = [f"{name}, {r.row.title}: {why}" for r in results for name, why in r.errors.items() if name in shown]
    return "\n".join([*lines, *(f"\n- {note}" for note in notes)])


def _line(result: Results, metric: Metric, peer: str, title: str) -> str:
    ours, theirs = result.values(OURS, metric), result.values(peer, metric)
    ratio, reached = result.ratio(peer, metric), result.reached(peer, metric)
    verdict = {True: "✓", False: "✗", None: ""}[reached]
    if OURS in result.errors:
        verdict = "failed"
    cells = (
        title,
        metric.title,
        _goal(metric),
        "" if ratio is None else f"{ratio:.2f}",
        _shown(ours, metric),
        _shown(theirs, metric),
        verdict,
    )
    return f"| {' | '.join(cells)} |"


def _goal(metric: Metric) -> str:
    if metric.goal is None:
        return ""
    sign = "≥" if metric.higher else "≤"
    return f"{sign} {_number(metric.goal, metric)}" if metric.own else f"{sign} {metric.goal:.2f}"


def _shown(values: list[float], metric: Metric) -> str:
    return _number(median(values), metric) if values else ""


def _number(value: float, metric: Metric) -> str:
    match metric.unit:
        case "ms":
            value, unit = value * MILLI, " ms"
        case "MB":
            value, unit = value * MEGA, " MB"
        case _:
            unit = ""
    return f"{value:,.0f}{unit}" if value >= 100 else f"{value:.3g}{unit}"


def machine() -> dict[str, str]:
    """What the figures depend on; nothing that names a machine or its user."""
    features = _cpu_field("flags").split()
    vectors = [name.upper() for name in ("avx512f", "avx512_vnni", "amx_int8", "avx2") if name in features]
    return {
        "cpu": _cpu_field("model name") or platform.machine(),
        "cores": str(psutil.cpu_count()),
        "vectors": " ".join(vectors),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        OURS: _version("jupyter_uml"),
        "llama-cpp-python": _version("llama-cpp-python"),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _cpu_field(name: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def as_json(results: list[Results], about: dict[str, Any]) -> dict[str, Any]:
    rows = {r.row.name: {"title": r.row.title, "rounds": r.rounds, "errors": r.errors} for r in results}
    return {**about, "rows": rows}


def plot(results: list[Results], peer: str, path: Path) -> bool:
    """How many times better ours is, for each metric that has a goal; False where matplotlib is missing."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return False
    bars = advantages(results, peer)
    figure = Figure(figsize=(9, 0.36 * len(bars) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places = range(len(bars))
    axes.barh(places, [bar.times - 1 for bar in bars], left=1, color=[_colour(bar.reached) for bar in bars])
    axes.plot([bar.goal for bar in bars], places, "k|", markersize=12, label="goal")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}×")
    axes.xaxis.set_minor_formatter("")
    axes.set_xticks(_ticks(bars))
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_yticks(places, [bar.title for bar in bars])
    axes.invert_yaxis()
    figure.suptitle(f"{OURS} against {peer}: how many times better")
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)
    return True


@dataclass(frozen=True)
class Advantage:
    """A bar of the picture: more than 1 is better."""

    title: str
    times: float
    goal: float
    reached: bool


def advantages(results: list[Results], peer: str) -> list[Advantage]:
    bars = []
    for result in results:
        for metric in result.row.metrics:
            ratio = result.ratio(peer, metric)
            if metric.goal is None or metric.own or not ratio:
                continue
            sign = 1 if metric.higher else -1
            title = f"{result.row.title}: {metric.title}"
            bars.append(Advantage(title, ratio**sign, metric.goal**sign, bool(metric.reached(ratio))))
    return bars


def _ticks(bars: list[Advantage]) -> list[float]:
    """Powers of two (halves, doubles) over all bars and goals."""
    ends = [end for bar in bars for end in (bar.times, bar.goal)] or [1.0]
    powers = range(math.floor(math.log2(min(ends))), math.ceil(math.log2(max(ends))) + 1)
    return [2.0**power for power in powers]


def _colour(reached: bool) -> str:
    return "#2a9d4a" if reached else "#c0504d"
