"""The models that were found: broken files, profiles with mistakes, and whether anything fits."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jupyter_uml.commands.doctor.facts import Facts, ModelFile
from jupyter_uml.commands.doctor.finding import Finding, error, note, ok, warning

TOPIC = "Models"
_AGAIN = "Download it again, or delete it."
_NAMED = 5  # that are named of a kind
_PULL = "jupyter uml pull Qwen/Qwen3-{}-GGUF"
_NAMES_FILE = re.compile(r"(\S.*?\.toml)[:,] ")  # how what is wrong with a profile's text begins
_ROOMY = 6 << 30  # bytes that let 4 billion parameters run well


def check_found(facts: Facts) -> Iterator[Finding]:
    loadable = [model for model in facts.models if model.reason is None]
    own = [model for model in loadable if model.source not in ("demo", "profile")]
    if not loadable:
        yield error(
            TOPIC, "No model was found, not even the demo.", "Install jupyter_uml again, or pull one:", _pull(facts)
        )
    elif not own:
        yield note(
            TOPIC, "Only the small demo model is here.", "Pull one that suits this machine, such as", _pull(facts)
        )
    else:
        yield ok(TOPIC, f"{len(own)} found that can be loaded")


def check_fitting(facts: Facts) -> Iterator[Finding]:
    """Nothing that was looked at fits, not even the smallest model."""
    estimates = [model.estimate for model in facts.models if model.estimate is not None]
    if estimates and not any(estimate.fits for estimate in estimates):
        least = min(estimates, key=lambda estimate: estimate.needed_bytes)
        message = f"No model fits into memory, not even {least.model}: it {_said(least.verdict)}."
        yield error(TOPIC, message, "Unload models, end kernels that hold much, or give the container more memory.")


def check_broken(facts: Facts) -> Iterator[Finding]:
    broken = [model for model in facts.models if _is_broken(model)]
    for model in broken[:_NAMED]:
        remedy = "Delete it if it is of no use." if "Download" in str(model.reason) else _AGAIN
        yield warning(TOPIC, f"{model.id} is broken. {model.reason}", remedy)
    if len(broken) > _NAMED:
        message = f"{len(broken) - _NAMED} more files are broken."
        yield warning(TOPIC, message, "See which:", "jupyter uml models")


def check_unsuited(facts: Facts) -> Iterator[Finding]:
    """Files that are whole; their reasons say what would help."""
    for model in facts.models:
        if model.reason and not model.broken and model.format == "gguf" and model.source != "profile":
            message = f"{model.id} cannot be loaded. {model.reason}"
            if model.kind == "model":  # parts are missing, or it lies at a wrong place
                yield warning(TOPIC, message)
            elif model.kind == "other":
                yield note(TOPIC, message)


def check_failing(facts: Facts) -> Iterator[Finding]:
    """Models whose file looks good from outside, but that cannot be planned for."""
    for model in facts.models:
        if model.fault is not None:
            yield warning(TOPIC, f"{model.id}: {model.fault}")


def check_profiles(facts: Facts) -> Iterator[Finding]:
    for model in facts.models:
        if model.source == "profile" and model.reason:
            told = _NAMES_FILE.match(model.reason)
            name = told[1] if told else f"{model.id.removeprefix('profile/')}.toml"
            message = model.reason if told else f"{name}: {model.reason}"
            yield warning("Profiles", message, "Correct the file:", f"{facts.installation.profiles}/{name}")


def check_other_formats(facts: Facts) -> Iterator[Finding]:
    others = [model for model in facts.models if model.format != "gguf" and model.source != "profile"]
    if others:
        kinds = ", ".join(sorted({model.format for model in others}))
        message = f"{_count(len(others), 'model')} of other formats ({kinds}) cannot be loaded."
        remedy = "Get them as GGUF files: many are on the hub under the same name with -GGUF."
        yield note(TOPIC, message, remedy, f"jupyter uml models   # why, for {_names(others)}")


def _pull(facts: Facts) -> str:
    return _PULL.format("4B" if facts.machine.ram_available >= _ROOMY else "0.6B")


def _is_broken(model: ModelFile) -> bool:
    return model.broken and model.format == "gguf" and model.source != "profile"


def _said(verdict: str) -> str:
    return verdict.removeprefix("does not fit: ")


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"


def _names(models: list[ModelFile]) -> str:
    return f"{models[0].id} …" if len(models) > 1 else models[0].id
