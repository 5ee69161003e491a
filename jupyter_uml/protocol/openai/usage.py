"""Figures of an answer in OpenAI's shape, and how those of several answers go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from jupyter_uml.types import Timings, Usage


def together(usages: Sequence[Usage]) -> Usage:
    """Of several answers to one prompt, which counts once, as it was found by the first that needed it."""
    first = min(usages, key=lambda usage: usage.cached_tokens)
    return Usage(
        first.prompt_tokens,
        sum(usage.completion_tokens for usage in usages),
        first.cached_tokens,
        first.truncated_tokens,
        sum(usage.drafted_tokens for usage in usages),
        sum(usage.accepted_tokens for usage in usages),
        sum(usage.reasoning_tokens for usage in usages),
    )


def total(usages: Sequence[Usage]) -> Usage:
    """Of answers to different prompts."""
    return Usage(*(sum(getattr(usage, field.name) for usage in usages) for field in fields(Usage)))


def usage_body(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "truncated_tokens": usage.truncated_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "accepted_prediction_tokens": usage.accepted_tokens,
            "rejected_prediction_tokens": usage.drafted_tokens - usage.accepted_tokens,
        },
    }


def overall(timings: Sequence[Timings]) -> Timings:
    """Of answers that were made side by side: until the first token of any, until the last one of all."""
    return Timings(
        min(each.queue for each in timings),
        min(each.first_token for each in timings),
        max(each.total for each in timings),
    )


def timings_body(timings: Timings) -> dict[str, float]:
    """Seconds."""
    return {"queue": timings.queue, "first_token": timings.first_token, "total": timings.total}
