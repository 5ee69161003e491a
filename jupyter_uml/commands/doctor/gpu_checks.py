"""GPUs: those that the machine has, and those that llama.cpp can use."""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_uml.commands.doctor.facts import Card, Facts
from jupyter_uml.commands.doctor.finding import Finding, note, ok, warning
from jupyter_uml.commands.doctor.rebuilding import BACKENDS, rebuild_for
from jupyter_uml.loader.memory.fit import readable

TOPIC = "GPU"
_HIDING = {"NVIDIA": ("CUDA_VISIBLE_DEVICES",), "AMD": ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")}
_NONE = {"", "-1", "none", "NoDevFiles"}
_FULL = 0.1  # of a GPU's memory free


def check_gpus(facts: Facts) -> Iterator[Finding]:
    """What llama.cpp can use, or why it can use none of the GPUs that are there."""
    if facts.gpus:
        yield from _usable(facts)
    elif not facts.cards:
        yield ok(TOPIC, "none found; models run on the CPU")
    elif facts.build.fault is None:
        for card in {card.vendor: card for card in facts.cards}.values():  # one of each vendor says it
            yield _unused(card, facts)


def _usable(facts: Facts) -> Iterator[Finding]:
    for gpu in facts.gpus:
        figures = f"{gpu.name}, {readable(gpu.free)} of {readable(gpu.total)} free"
        if gpu.free < _FULL * gpu.total:
            yield warning(TOPIC, f"{figures}: models will run on the CPU.", "End what fills it: see `nvidia-smi`.")
        else:
            yield ok(TOPIC, figures)


def _unused(card: Card, facts: Facts) -> Finding:
    if not card.driver:
        return _without_driver(card)
    if not facts.build.gpu:
        return _without_backend(card, facts)
    for name in _HIDING.get(card.vendor, ()):
        if facts.installation.environment.get(name) in _NONE:
            return warning(TOPIC, f"{name} hides the {card.name}.", "To use it:", f"unset {name}")
    message = f"llama.cpp was built for {_backends(facts)} and does not find the {card.name}."
    return warning(TOPIC, message, "If it was built for another kind of GPU, build it anew:", _command(card, facts))


def _without_driver(card: Card) -> Finding:
    message = f"A GPU is here ({card.name}), but its driver does not answer: models run on the CPU."
    remedy = {
        "NVIDIA": "Install NVIDIA's driver until `nvidia-smi` shows it. In a container: `docker run --gpus all`.",
        "AMD": "Install the amdgpu driver and ROCm, and join its groups: `sudo usermod -aG render,video $USER`. "
        "In a container: `--device /dev/kfd --device /dev/dri`.",
    }
    return warning(TOPIC, message, remedy.get(card.vendor, "Install its driver. In a container: `--device /dev/dri`."))


def _without_backend(card: Card, facts: Facts) -> Finding:
    _, tool, package = BACKENDS[card.vendor]
    message = f"A GPU is here ({card.name}), but llama.cpp was built without GPUs: models run on the CPU."
    first = "" if tool in facts.installation.tools else f"Install {package} (`{tool}` was not found), then build"
    finding = note if card.integrated and card.vendor != "Apple" else warning
    if finding is note:
        message += " It shares the machine's memory: little is lost."
    return finding(TOPIC, message, f"{first or 'Build'} llama.cpp for it:", _command(card, facts))


def _command(card: Card, facts: Facts) -> str:
    return rebuild_for(facts.installation, card.vendor)


def _backends(facts: Facts) -> str:
    return ", ".join(name for name in facts.build.backends if name != "CPU") or "GPUs"
