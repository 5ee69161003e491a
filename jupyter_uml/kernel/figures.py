"""Numbers and states in words, the same in cells, panels and terminals."""

from __future__ import annotations

from jupyter_uml.client import Answer
from jupyter_uml.types import ModelStatus


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
    return " · ".join(parts)


def activity_note(row: ModelStatus) -> str:
    if not row.active:
        return ""
    return " · ".join(
        part for part in (plural(row.active, "answer") + " under way", rate(row.tokens_per_second)) if part
    )


def loading_note(row: ModelStatus) -> str:
    words = {"restarting": "Restarting", "unloading": "Unloading"}
    return f"{words.get(row.state, 'Loading')} {row.id} … {percent(row.progress)}".rstrip()


def waiting_note(row: ModelStatus) -> str:
    """What an answer waits for that has not begun."""
    return f"{row.id} is reading …" if row.state == "loaded" else loading_note(row)
