"""The state of models and downloads in words, the same in cells, panels and terminals."""

from __future__ import annotations

from jupyter_uml.client import PullProgress
from jupyter_uml.display import figures
from jupyter_uml.types import MemoryEstimate, ModelStatus


def loaded_note(row: ModelStatus) -> str:
    """What a model runs with, once it is loaded."""
    parts = []
    if row.settings is not None:
        parts.append(f"context {row.settings.n_ctx} tokens")
        parts.append(f"{row.settings.n_parallel} at a time")
        parts.append(figures.plural(row.settings.n_threads, "thread"))
        if layers := row.settings.n_gpu_layers:
            parts.append(f"{'all' if layers < 0 else layers} layers on the GPU")
    if row.memory_bytes is not None:
        parts.append(figures.size(row.memory_bytes))
    if row.gpu_memory_bytes:
        parts.append(f"{figures.size(row.gpu_memory_bytes)} on the GPU")
    if row.pinned:
        parts.append("pinned")
    elif row.expires_in is not None:
        parts.append(f"unloads in {figures.duration(row.expires_in)} without use")
    return " · ".join(parts)


def activity_note(row: ModelStatus) -> str:
    if not row.active:
        return ""
    parts = (figures.plural(row.active, "answer") + " under way", figures.rate(row.tokens_per_second))
    return " · ".join(part for part in parts if part)


def stay_note(row: ModelStatus) -> str:
    """How long a loaded model stays so."""
    if row.pinned:
        return "pinned"
    if row.expires_in is not None:
        return f"in {figures.duration(row.expires_in)}"
    users = f"{figures.plural(row.kernels, 'notebook')} {'uses' if row.kernels == 1 else 'use'} it"
    return f"not while {users}" if row.kernels else ""


def loading_note(row: ModelStatus) -> str:
    if row.state == "queued":
        return queued_note(row)
    words = {"restarting": "Restarting", "unloading": "Unloading"}
    return f"{words.get(row.state, 'Loading')} {row.id} … {figures.percent(row.progress)}".rstrip()


def queued_note(row: ModelStatus) -> str:
    needs = f"needs {figures.size(row.estimated_bytes)} and " if row.estimated_bytes else ""
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
    more = f" and {figures.plural(len(row.files) - 1, 'more file')}" if len(row.files) > 1 else ""
    return f"{row.name}: {row.files[0]}{more}. {row.why}"


def pull_note(row: PullProgress) -> str:
    """How far it is."""
    words = {
        "waiting": "another process downloads it",
        "retrying": "trying again",
        "verifying": "checking what came",
    }
    parts = [f"{figures.percent(row.fraction)} of {figures.size(row.total_bytes)}" if row.fraction is not None else ""]
    if row.state in words:
        parts.append(words[row.state])
    elif row.bytes_per_second:
        parts.append(f"{figures.size(row.bytes_per_second)}/s")
        parts.append("" if row.seconds_left is None else f"{figures.duration(row.seconds_left)} left")
    return " · ".join(part for part in parts if part)


def pulled_note(row: PullProgress) -> str:
    if row.model is None:
        return f"{row.name} has come, to a folder in which no models are looked for"
    return f"{row.model} is here · {figures.size(row.total_bytes)}"
