"""Numbers and states in words, the same in cells, panels and terminals."""

from __future__ import annotations

from jupyter_uml.client import Answer, PullProgress
from jupyter_uml.types import MemoryEstimate, ModelStatus


def size(count: float | None) -> str:
    """Bytes in the binary units that the sidebar and the error texts use, with three significant digits."""
    if count is None:
        return ""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} TiB"


def rate(tokens_per_second: float | None) -> str:
    if tokens_per_second is None:
        return ""
    return f"{tokens_per_second:.0f} tokens/s" if tokens_per_second >= 10 else f"{tokens_per_second:.1f} tokens/s"


def seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def duration(value: float) -> str:
    """As one unit, to the precision in which people plan."""
    if value < 99.5:
        return f"{max(0.0, value):.0f} s"
    return f"{value / 60:.0f} min" if value < 99.5 * 60 else f"{value / 3600:.0f} h"


def tokens(count: int) -> str:
    """`512`, `8k`, `128k`: lengths of contexts."""
    return f"{count / 1024:.3g}k" if count >= 1024 else str(count)


def parameters(count: int) -> str:
    """`596M`, `8.03B`."""
    for unit, size in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(count or "")


def percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{fraction:.0%}"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def answer_note(answer: Answer, max_tokens: int | None = None) -> str:
    """The line under an answer: which model, how much, how fast, and why it ended."""
    parts = [answer.model]
    if answer.usage is not None:
        parts.append(plural(answer.usage.completion_tokens, "token"))
        if answer.usage.reasoning_tokens:
            parts[-1] += f", {answer.usage.reasoning_tokens} of them reasoning"
    parts.append(rate(answer.tokens_per_second))
    if answer.timings is not None and answer.timings.first_token:
        parts.append(f"first token {seconds(answer.timings.first_token)}")
    parts.append(ending(answer, max_tokens))
    return " · ".join(part for part in parts if part)


def ending(answer: Answer, max_tokens: int | None = None) -> str:
    if answer.finish_reason == "aborted":
        return "stopped"
    if answer.finish_reason == "tool_calls":
        return f"waits for {', '.join(call.name for call in answer.tool_calls)}"
    if answer.finish_reason == "stop":
        return f"ended by {answer.stop_reason!r}" if isinstance(answer.stop_reason, str) else "complete"
    reached = max_tokens is not None and answer.usage is not None and answer.usage.completion_tokens >= max_tokens
    return f"cut off after {max_tokens} tokens, as asked" if reached else "cut off: the context is full"


def loaded_note(row: ModelStatus) -> str:
    """What a model runs with, once it is loaded."""
    parts = []
    if row.settings is not None:
        parts.append(f"context {row.settings.n_ctx} tokens")
        parts.append(f"{row.settings.n_parallel} at a time")
        parts.append(plural(row.settings.n_threads, "thread"))
        if row.settings.n_gpu_layers:
            parts.append(f"{row.settings.n_gpu_layers} layers on the GPU")
    if row.memory_bytes is not None:
        parts.append(size(row.memory_bytes))
    if row.gpu_memory_bytes:
        parts.append(f"{size(row.gpu_memory_bytes)} on the GPU")
    if row.pinned:
        parts.append("pinned")
    elif row.expires_in is not None:
        parts.append(f"unloads in {duration(row.expires_in)} without use")
    return " · ".join(parts)


def activity_note(row: ModelStatus) -> str:
    if not row.active:
        return ""
    return " · ".join(
        part for part in (plural(row.active, "answer") + " under way", rate(row.tokens_per_second)) if part
    )


def stay_note(row: ModelStatus) -> str:
    """How long a loaded model stays so."""
    if row.pinned:
        return "pinned"
    if row.expires_in is not None:
        return f"in {duration(row.expires_in)}"
    return f"held by {plural(row.kernels, 'notebook')}" if row.kernels else ""


def loading_note(row: ModelStatus) -> str:
    if row.state == "queued":
        return queued_note(row)
    words = {"restarting": "Restarting", "unloading": "Unloading"}
    return f"{words.get(row.state, 'Loading')} {row.id} … {percent(row.progress)}".rstrip()


def queued_note(row: ModelStatus) -> str:
    needs = f"needs {size(row.estimated_bytes)} and " if row.estimated_bytes else ""
    return f"{row.id} {needs}waits for memory, until other models have answered …"


def waiting_note(row: ModelStatus) -> str:
    """What an answer waits for that has not begun."""
    return f"{row.id} is reading …" if row.state == "loaded" else loading_note(row)


def fit_note(estimate: MemoryEstimate) -> str:
    """What else there is to say about whether a model fits."""
    parts = []
    if estimate.fits:
        settings = estimate.settings
        parts.append(f"context {settings.n_ctx} tokens, {settings.n_parallel} at a time, {settings.kv_type} KV cache")
        parts.append(f"largest context {estimate.largest_context} tokens")
    if estimate.unloads:
        parts.append(f"{', '.join(estimate.unloads)} would be unloaded")
    return " · ".join(parts)


def pull_heading(row: PullProgress) -> str:
    """What is coming, and why that."""
    if not row.files:
        return f"Looking for {row.name} on the hub …"
    more = f" and {plural(len(row.files) - 1, 'more file')}" if len(row.files) > 1 else ""
    return f"{row.name}: {row.files[0]}{more}. {row.why}"


def pull_note(row: PullProgress) -> str:
    """How far it is."""
    words = {
        "waiting": "another process downloads it",
        "retrying": "trying again",
        "verifying": "checking what came",
    }
    parts = [f"{percent(row.fraction)} of {size(row.total_bytes)}" if row.fraction is not None else ""]
    if row.state in words:
        parts.append(words[row.state])
    elif row.bytes_per_second:
        parts.append(f"{size(row.bytes_per_second)}/s")
        parts.append("" if row.seconds_left is None else f"{duration(row.seconds_left)} left")
    return " · ".join(part for part in parts if part)


def pulled_note(row: PullProgress) -> str:
    if row.model is None:
        return f"{row.name} has come, to a folder in which no models are looked for"
    return f"{row.model} is here · {size(row.total_bytes)}"
