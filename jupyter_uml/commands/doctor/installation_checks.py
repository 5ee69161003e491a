"""Python, llama-cpp-python, Jupyter's two halves of the extension, and the clock."""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_uml.commands.doctor.facts import Facts
from jupyter_uml.commands.doctor.finding import Finding, error, note, ok, warning
from jupyter_uml.commands.doctor.rebuilding import reinstall

OLDEST_PYTHON = (3, 11)
_LATE = 86_400.0  # seconds that a clock may differ between machines that share files
_INSTALL = "pip install --force-reinstall --no-deps jupyter_uml"


def check_python(facts: Facts) -> Iterator[Finding]:
    installation = facts.installation
    version = tuple(int(part) for part in installation.python.split(".")[:2])
    if version < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        yield error("Python", f"Python {installation.python} is too old.", f"Use Python {oldest} or a newer one.")
    elif installation.bits < 64:
        yield error("Python", "This Python has 32 bits: no model of use fits.", "Use one of 64 bits.")
    else:
        yield ok("Python", installation.python)


def check_llama(facts: Facts) -> Iterator[Finding]:
    installation = facts.installation
    if installation.llama is None:
        message = "llama-cpp-python, which runs the models, is not installed."
        yield error("llama.cpp", message, "Install it:", reinstall(installation))
    elif installation.tested and installation.llama != installation.tested:
        message = (
            f"llama-cpp-python {installation.llama} is installed; jupyter_uml {installation.version} was tested with "
            f"{installation.tested}, and its interface changes between releases."
        )
        yield warning("llama.cpp", message, "Install the tested one:", reinstall(installation))


def check_extension(facts: Facts) -> Iterator[Finding]:
    enabled = facts.installation.extension
    if enabled:
        yield ok("Jupyter", "the server extension is enabled")
    elif enabled is None:
        message = "Jupyter's server does not know jupyter_uml: its configuration was not installed."
        yield warning("Jupyter", message, "Enable it:", "jupyter server extension enable jupyter_uml")
    else:
        message = "The server extension is disabled: notebooks find no models. `jupyter uml` alone works."
        yield warning("Jupyter", message, "Enable it:", "jupyter server extension enable jupyter_uml")


def check_labextension(facts: Facts) -> Iterator[Finding]:
    whole = facts.installation.labextension
    if whole is None:
        yield note("JupyterLab", "It is not installed here; notebooks and `jupyter uml` work without it.")
    elif whole:
        yield ok("JupyterLab", "the sidebar is installed")
    else:
        message = "The sidebar is not installed, or not as a whole (a build without npm leaves it out)."
        yield warning("JupyterLab", message, "Install it from the wheel:", _INSTALL)


def check_clock(facts: Facts) -> Iterator[Finding]:
    late = facts.installation.clock_behind
    if late > _LATE:
        message = f"The clock is at least {late / 86_400:.0f} days behind: the hub's certificates will be refused."
        yield warning("Clock", message, "Set it:", "sudo timedatectl set-ntp true")


def check_offline(facts: Facts) -> Iterator[Finding]:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if facts.installation.environment.get(name, "").upper() in ("1", "ON", "YES", "TRUE"):
            yield note("Hub", f"{name} is set: nothing can be pulled.", "To pull models:", f"unset {name}")
