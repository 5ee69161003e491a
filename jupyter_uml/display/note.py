"""The discreet line under an answer: which model, how much, how fast, and why it ended."""

from __future__ import annotations

from typing import Protocol

from jupyter_uml.display import figures
from jupyter_uml.types import FinishReason, Timings, ToolCall, Usage


class Ended(Protocol):
    """An answer that is over, however it ended."""

    @property
    def model(self) -> str: ...

    @property
    def finish_reason(self) -> FinishReason: ...

    @property
    def stop_reason(self) -> str | int | None: ...

    @property
    def usage(self) -> Usage | None: ...

    @property
    def timings(self) -> Timings | None: ...

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]: ...


def answer_note(answer: Ended) -> str:
    """`demo · 42 tokens · 118 tokens/s · 87% of the prompt cached · first token 12 ms · complete`."""
    parts = [answer.model, *_amounts(answer.usage), *_speeds(answer), ending(answer)]
    return " · ".join(part for part in parts if part)


def is_cut(answer: Ended) -> bool:
    """Whether there would have been more of it: what says so should be seen."""
    return answer.finish_reason == "length"


def ending(answer: Ended) -> str:
    match answer.finish_reason:
        case "aborted":
            return "stopped"
        case "tool_calls":
            return f"waits for {', '.join(call.name for call in answer.tool_calls)}"
        case "stop":
            return f"ended by {answer.stop_reason!r}" if isinstance(answer.stop_reason, str) else "complete"
    if answer.stop_reason == "context":
        return "cut off: the context is full; ask for less, or load the model with a longer context"
    after = f" after {figures.plural(answer.usage.completion_tokens, 'token')}" if answer.usage else ""
    more = ": raise max_tokens for the rest" if answer.stop_reason == "max_tokens" else ""
    return f"cut off{after}{more}"


def _amounts(usage: Usage | None) -> list[str]:
    if usage is None:
        return []
    thought = f", {usage.reasoning_tokens} of them reasoning" if usage.reasoning_tokens else ""
    parts = [figures.plural(usage.completion_tokens, "token") + thought]
    if usage.truncated_tokens:
        parts.append(f"{figures.plural(usage.truncated_tokens, 'token')} of the prompt left out")
    return parts


def _speeds(answer: Ended) -> list[str]:
    usage, timings = answer.usage, answer.timings
    rate = timings.tokens_per_second(usage.completion_tokens) if usage and timings else None
    cached = usage.cached_tokens / usage.prompt_tokens if usage and usage.prompt_tokens else 0.0
    return [
        figures.rate(rate),
        f"{cached:.0%} of the prompt cached" if cached else "",
        f"first token {figures.seconds(timings.first_token)}" if timings and timings.first_token else "",
    ]
