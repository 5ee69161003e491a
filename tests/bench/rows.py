"""The table: which workloads there are, what is to be reached, and how llama-server is best set up for each."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Literal

from tests.bench import workloads
from tests.bench.cell import cell
from tests.bench.gate import gate
from tests.bench.model_maker import Kind
from tests.bench.start import start
from tests.bench.workloads import Figures, Scene

Unit = Literal["tokens/s", "ms", "MB", ""]
Workload = Callable[[Scene], Coroutine[Any, Any, Figures]]


@dataclass(frozen=True)
class Metric:
    """A figure of a workload. `goal`: for ours ÷ theirs, or for `own` figures for ours alone, in the figure's unit."""

    key: str
    title: str
    unit: Unit
    goal: float | None = None
    higher: bool = False  # is better
    own: bool = False

    def reached(self, value: float) -> bool | None:
        if self.goal is None:
            return None
        return value >= self.goal if self.higher else value <= self.goal


@dataclass(frozen=True)
class Row:
    """A workload and how servers are started for it. `alone`: no other server may run meanwhile; `own`: it is about
    ours only; `size`: of the model, in billion parameters, where it shall not be as large as asked for."""

    name: str
    title: str
    run: Workload
    n_parallel: int
    n_ctx: int
    metrics: tuple[Metric, ...]
    tuning: tuple[str, ...] = ()
    kind: Kind = "babble"
    alone: bool = False
    own: bool = False
    size: float | None = None


# What was tried for each workload stands in notebooks/measurements.md, under Speed.
FAST = ("--no-kv-unified", "--cache-ram", "0")
DECODING = (*FAST, "-fa", "off")  # flash attention is quicker at prompts and slower at answers, on a CPU
SMALL_STEPS = ("-b", "128", "-ub", "128")
LOOKUP = ("--spec-type", "ngram-simple", "--spec-ngram-simple-size-n", "2", "--spec-ngram-simple-size-m", "48")


def _streams(count: int) -> Row:
    metrics = (
        Metric("tokens_per_second", "tokens/s", "tokens/s", 1.0, higher=True),
        Metric("between_p95", "between tokens, p95", "ms", 1.05),
        Metric("first_p95", "first token, p95", "ms", 1.05),
    )
    title = f"{count} stream{'s' * (count > 1)}"
    return Row(f"streams-{count}", title, workloads.streams, count, 1024, metrics, DECODING)


def _json(name: str, title: str, run: Workload) -> Row:
    metrics = (
        Metric("tokens_per_second", "tokens/s", "tokens/s", 1.3, higher=True),
        Metric("characters_per_second", "characters/s", "", higher=True),
    )
    return Row(name, title, run, 8, 2048, metrics, DECODING)


def _table(name: str, title: str, run: Workload, tuning: tuple[str, ...] = FAST, goal: float | None = 3.0) -> Row:
    metrics = (
        Metric("rows_per_second", "rows/s", "", goal, higher=True),
        Metric("times_a_loop", "times a loop of single calls", "", higher=True, own=True),
    )
    return Row(name, title, run, 8, 2048, metrics, tuning)


_GAP = (
    Metric("longest_gap", "longest gap", "ms", 0.1),
    Metric("first", "first token of the long prompt", "ms"),
    Metric("decode_rate_during", "tokens/s meanwhile", "tokens/s", higher=True),
)

ROWS = (
    *(_streams(count) for count in (1, 4, 8, 16)),
    Row(
        "shared-prefix",
        "8 requests sharing a prefix of 1,500 tokens",
        workloads.shared_prefix,
        8,
        2048,
        (
            Metric("first_mean", "first token, mean", "ms", 0.15),
            Metric("first_p95", "first token, p95", "ms", 0.15),
            Metric("wall", "all answers", "ms", 0.15),
        ),
        FAST,
    ),
    _table("map", "uml.map: 500 rows behind 1,000 tokens", workloads.table),
    _table(
        "map-no-flash",
        "the same, llama-server without flash attention",  # which it would use: rows behind a prefix take twice as long
        workloads.table,
        DECODING,
        goal=None,
    ),
    _table("map-typed", "uml.map: the same rows with a schema", workloads.typed_table),
    Row(
        "run-again",
        "a cell run again behind 1,500 tokens",
        workloads.run_again,
        1,
        2048,
        (
            Metric("cold", "first token, new", "ms"),
            Metric("warm", "again", "ms", 1.0),
            Metric("restarted", "after a restart", "ms", 1.0),
            Metric("warm_share", "again ÷ new", "", 0.05, own=True),
            Metric("restarted_share", "after a restart ÷ new", "", 0.05, own=True),
        ),
        FAST,
    ),
    Row(
        "intruder",
        "4 streams while a prompt of 4,000 tokens arrives",
        workloads.intruder,
        5,
        8192,
        _GAP,
        FAST,
    ),
    Row(
        "intruder-small-steps",
        "the same, llama-server in steps of 128 tokens",
        workloads.intruder,
        5,
        8192,
        tuple(replace(metric, goal=None) for metric in _GAP),
        (*FAST, *SMALL_STEPS),
    ),
    _json("json-text", "8 streams of strict JSON, most of it free text", workloads.json_text),
    _json("json-dense", "8 streams of strict JSON, numbers and choices", workloads.json_dense),
    Row(
        "edit",
        "1 stream that repeats 80 % of its prompt",
        workloads.edit,
        1,
        2048,
        (
            Metric("tokens_per_second", "tokens/s", "tokens/s", 1.5, higher=True),
            Metric("with_prefill", "tokens/s with the prompt's time", "tokens/s", higher=True),
        ),
        (*DECODING, *LOOKUP),
        kind="recite",
    ),
    Row(
        "stop",
        "stop in a prompt of 4,000 tokens",
        workloads.stop,
        2,
        8192,
        (
            Metric("idle_after", "engine at rest after", "ms", 0.1, own=True),
            Metric("next_first", "first token of the next request", "ms"),
        ),
        FAST,
    ),
    Row(
        "memory",
        "memory of all processes, 8 streams",
        workloads.memory,
        8,
        1024,
        (Metric("peak", "peak", "MB", 1.05), Metric("engine_peak", "the engine's process", "MB")),
        FAST,
        alone=True,
    ),
    Row(
        "gate",
        "what HTTP and the gate add to the bare engine, with a key that has limits",
        gate,
        1,
        1024,
        (
            Metric("added_first_p95", "first token, p95", "ms", 0.005, own=True),
            Metric("added_whole_p95", "answer of 8 tokens, p95", "ms", own=True),
            Metric("added_first_median", "first token, median", "ms", own=True),
            Metric("bare_first_p95", "first token of the bare engine, p95", "ms", own=True),
        ),
        own=True,
        size=0.003,  # the faster the engine, the better what is added to it can be seen
    ),
    Row(
        "cell",
        "what a %%uml cell adds to the engine's first token",
        cell,
        1,
        1024,
        (
            Metric("added_median", "first text, median", "ms", 0.02, own=True),
            Metric("added_p95", "first text, p95", "ms", own=True),
            Metric("bare", "first token of the bare engine", "ms", own=True),
            Metric("jupyter", "any output of any cell", "ms", own=True),
            Metric("first_cell", "first text of a kernel's first cell", "ms", own=True),
        ),
        own=True,
        size=0.003,
    ),
    Row(
        "start",
        "what the extension adds to the start of a Jupyter server",
        start,
        1,
        1024,
        (
            Metric("added", "until it answers", "ms", 0.1, own=True),
            Metric("added_cpu", "processor time until then", "ms", 0.1, own=True),
            Metric("added_page", "until JupyterLab's page", "ms", own=True),
            Metric("added_afterwards", "processor time with the second after it", "ms", own=True),
            Metric("without", "the start without it", "ms", own=True),
        ),
        alone=True,
        own=True,
        size=0.003,
    ),
)
