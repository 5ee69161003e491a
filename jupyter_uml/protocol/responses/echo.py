"""The settings of a request that its answer repeats, in OpenAI's order and with its defaults."""

from __future__ import annotations

from typing import Any

from jupyter_uml.protocol.responses.body import ReasoningSettings, ResponsesRequest, SchemaFormat


def echo(body: ResponsesRequest) -> dict[str, Any]:
    """Where there is a seed, also whether it alone decides about the answer, whatever else runs."""
    repeatable = {} if body.seed is None else {"deterministic": bool(body.deterministic)}
    return {
        "background": False,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "max_tool_calls": body.max_tool_calls,
        "model": body.model,
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": body.previous_response_id,
        "prompt_cache_key": body.prompt_cache_key,
        "prompt_cache_retention": body.prompt_cache_retention,
        "reasoning": _reasoning(body.reasoning or ReasoningSettings()),
        "safety_identifier": body.safety_identifier,
        "service_tier": body.tier.get("service_tier", "default"),
        "store": body.store is not False,
        "temperature": body.temperature,
        "text": {"format": _format(body), "verbosity": "medium"},
        "tool_choice": _choice(body),
        "tools": [tool.echo() for tool in body.tools or ()],
        "top_logprobs": body.top_logprobs or 0,
        "top_p": body.top_p,
        "truncation": body.truncation or "disabled",
        "user": body.user,
        "metadata": body.metadata or {},
        **repeatable,
    }


def _reasoning(settings: ReasoningSettings) -> dict[str, Any]:
    return {"effort": settings.effort, "summary": settings.summary or settings.generate_summary}


def _format(body: ResponsesRequest) -> dict[str, Any]:
    form = body.text.format if body.text else None
    if not isinstance(form, SchemaFormat):
        return {"type": form.type if form else "text"}
    said = {"description": form.description, "schema": form.content or {}, "strict": bool(form.strict)}
    return {"type": "json_schema", "name": form.name, **said}


def _choice(body: ResponsesRequest) -> Any:
    choice = body.tool_choice or "auto"
    return choice if isinstance(choice, str) else choice.model_dump()
