"""The report, for people and for programs. Pure: made of facts and findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from jupyter_uml.commands.doctor.facts import Facts, ModelFile
from jupyter_uml.commands.doctor.finding import Finding, Level
from jupyter_uml.commands.terminal_text import painted, shortened, table, wrapped
from jupyter_uml.loader.memory.fit import readable
from jupyter_uml.loader.memory.model_sizes import RunnableSize, runnable_sizes
from jupyter_uml.types import MemoryEstimate

_COLOURS = {"ok": "green", "note": "dim", "warning": "yellow", "error": "red"}
_SIGNS: dict[Level, str] = {"ok": "✓", "note": "·", "warning": "!", "error": "✗"}
_TOPIC_WIDTH = 12
_MOST_MODELS = 20  # rows; more are counted only

Paint = Callable[[str, str], str]


def as_json(facts: Facts, findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "version": facts.installation.version,
        "ok": runs(findings),
        "findings": [asdict(finding) for finding in findings],
        "machine": {
            "processor": {**asdict(facts.processor), "features": sorted(facts.processor.features)},
            "memory": asdict(facts.memory),
            "cards": [asdict(card) for card in facts.cards],
            "gpus": [asdict(gpu) for gpu in facts.gpus],
            "llama_cpp": {**asdict(facts.build), "features": sorted(facts.build.features)},
        },
        "sizes": [asdict(size) for size in runnable_sizes(facts.machine)],
        "models": [asdict(model) for model in facts.models],
        "servers": [asdict(server) for server in facts.servers],
        "workers": [asdict(worker) for worker in facts.workers],
    }


def runs(findings: Sequence[Finding]) -> bool:
    """Whether nothing keeps models from running."""
    return not any(finding.level == "error" for finding in findings)


def as_text(facts: Facts, findings: Sequence[Finding], columns: int, colours: bool = False) -> str:
    def paint(text: str, colour: str) -> str:
        return painted(text, colour, colours)

    lines = [paint(f"jupyter_uml {facts.installation.version}", "bold")]
    for heading, levels in (("In order", ["ok"]), ("Good to know", ["note"]), ("Problems", ["error", "warning"])):
        if chosen := [finding for level in levels for finding in findings if finding.level == level]:
            lines += ["", paint(heading, "bold")]
            lines += [line for finding in chosen for line in _told(finding, columns, paint)]
    lines += ["", paint("What this machine can run", "bold"), *_sizes(facts, columns)]
    lines += _models(facts, columns, paint)
    return "\n".join([*lines, "", _verdict(findings, paint)])


def _told(finding: Finding, columns: int, paint: Paint) -> Iterator[str]:
    sign = paint(_SIGNS[finding.level], _COLOURS[finding.level])
    indent = " " * (4 + _TOPIC_WIDTH)
    text = wrapped(finding.message, columns, indent, indent)
    yield f"  {sign} {finding.topic:<{_TOPIC_WIDTH}}{text[len(indent) :]}"
    if finding.remedy:
        yield wrapped(finding.remedy, columns, indent + "→ ", indent + "  ")
    if finding.command:
        yield from _command(finding.command, columns, indent + "    ")


def _command(command: str, columns: int, indent: str) -> Iterator[str]:
    """Cut into lines that a shell joins again: what is copied works."""
    lines = wrapped(command, columns - 2, indent, indent + "  ").splitlines()
    yield from (f"{line} \\" for line in lines[:-1])
    yield lines[-1]


def _sizes(facts: Facts, columns: int) -> Iterator[str]:
    sizes = runnable_sizes(facts.machine)
    free = f"{readable(facts.machine.ram_available)} of memory"
    if facts.gpus:
        free += f" and {readable(facts.machine.gpu_free)} on GPUs"
    context = f"{sizes[0].n_ctx // 1024}k tokens of context"
    if not any(size.billions for size in sizes):
        least = f"{free} do not hold half a billion parameters with {context}; smaller models, such as the demo, fit."
        yield wrapped(least, columns, "  ", "  ")
        return
    yield wrapped(f"{free} hold models of up to about this size, with {context}:", columns, "  ", "  ")
    yield from (f"    {size.quantisation:<8}{_size(size, bool(facts.gpus))}" for size in sizes)


def _size(size: RunnableSize, has_gpu: bool) -> str:
    if not size.billions:
        return "none"
    on_gpu = f"; {size.on_gpu:g} billion whole on the GPU" if has_gpu and size.on_gpu else ""
    return f"{size.billions:>5g} billion parameters, a file of {readable(size.weights)}{on_gpu}"


def _models(facts: Facts, columns: int, paint: Paint) -> Iterator[str]:
    here = [model for model in facts.models if model.reason is None and model.source != "profile"]
    if not here:
        return
    yield ""
    yield "  Models that are here:"
    headings = ("model", "max context", "memory", "tokens/s", "as it would be loaded now")
    shown = here[:_MOST_MODELS]
    rows = [_row(model) for model in shown]
    places = [place for place in range(len(headings)) if place != 3 or any(row[3] for row in rows)]
    heading, *lines = table(
        [headings[place] for place in places],
        [[row[place] for place in places] for row in rows],
        frozenset(("max context", "memory", "tokens/s")),
        columns - 4,
    ).splitlines()
    yield f"    {paint(heading, 'dim')}"
    yield from (f"    {line}" for line in lines)
    if len(here) > len(shown):
        yield shortened(
            f"    and {len(here) - len(shown)} more: jupyter uml models, jupyter uml estimate MODEL", columns
        )


def _row(model: ModelFile) -> tuple[str, ...]:
    found = model.estimate
    if found is None:
        return (model.id, "", readable(model.size), _speed(model), "not looked at: jupyter uml estimate")
    return (model.id, _tokens(found.largest_context), readable(_bytes(found)), _speed(model), found.verdict)


def _bytes(estimate: MemoryEstimate) -> int:
    """Without prompts that would be kept: they take what is left over."""
    return sum(part.ram + part.gpu for part in estimate.parts if part.name != "cache")


def _speed(model: ModelFile) -> str:
    return "" if model.speed is None else f"{model.speed:,.{0 if model.speed >= 100 else 1}f}"


def _tokens(count: int) -> str:
    return f"{count / 1024:.3g}k" if count >= 1024 else str(count or "none")


def _verdict(findings: Sequence[Finding], paint: Paint) -> str:
    errors, warnings = (sum(finding.level == level for finding in findings) for level in ("error", "warning"))
    if errors:
        return paint(f"{_count(errors, 'problem')} {'keeps' if errors == 1 else 'keep'} models from running.", "red")
    if warnings:
        return paint(f"Models run here; {_count(warnings, 'thing')} could be better.", "yellow")
    return paint("Models run here, and nothing is wrong.", "green")


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
