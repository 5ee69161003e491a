"""Folders: those with models, and those in which something is kept."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from jupyter_uml.commands.doctor.facts import Facts, Folder
from jupyter_uml.commands.doctor.finding import Finding, ok, warning
from jupyter_uml.loader.memory.fit import readable

_FULL, _FULL_SHARE = 5 << 30, 0.02  # bytes free, and of the disk, below which a model hardly fits


def check_disks(facts: Facts) -> Iterator[Finding]:
    """Each disk is spoken of once: of places with as much room, the first."""
    known = {(folder.total, folder.free): folder for folder in reversed(facts.folders) if folder.total}
    full = [folder for folder in known.values() if folder.free < max(_FULL, _FULL_SHARE * folder.total)]
    for folder in full:
        message = f"The disk of {folder.what} ({folder.path}) has {readable(folder.free)} left."
        yield warning("Disk", message, "Models take gigabytes. See what fills it:", f"du -sh {quote(folder.path)}/*")
    if known and not full:
        least = min(known.values(), key=lambda folder: folder.free)
        yield ok("Disk", f"{readable(least.free)} free for {least.what}")


def check_folders(facts: Facts) -> Iterator[Finding]:
    for folder in facts.folders:
        if not folder.answers:
            message = f"The disk of {folder.path} does not answer: {folder.what} there cannot be had now."
            yield warning("Folders", message, "See whether it is mounted, and its server there.")
        elif not folder.exists:
            if folder.wanted:
                message = f"The folder {folder.path} does not exist; it is configured for {folder.what}."
                yield warning("Folders", message, "Make it, or take it out of c.UMLApp.model_dirs.")
        elif not folder.readable:
            message = f"The folder {folder.path} cannot be read: {folder.what} in it stay unseen."
            yield warning("Folders", message, "Let yourself read it:", f"chmod u+rx {quote(folder.path)}")
        elif not folder.writable and not folder.wanted:
            message = f"Nothing can be written to {folder.path}: {folder.what} cannot be kept."
            yield warning("Folders", message, "Let yourself write to it:", f"chmod u+w {quote(folder.path)}")


def check_network(facts: Facts) -> Iterator[Finding]:
    """On a disk of the network models load slowly, and locks may not work."""
    for folder in facts.folders:
        if folder.locks is False:
            message = f"Files in {folder.path} cannot be locked: servers cannot see each other's memory and downloads."
            remedy = "Put Jupyter's folders onto a local disk:"
            command = "export JUPYTER_DATA_DIR=/local/$USER/data JUPYTER_RUNTIME_DIR=/local/$USER/runtime"
            yield warning("Folders", message, remedy, command)
    slow = [folder for folder in facts.folders if folder.network and _has_models(folder)]
    if slow:
        message = f"{slow[0].path} is on the network ({slow[0].network}): models load slowly from there."
        yield warning(
            "Disk", message, "Keep the models that you use on a local disk, and name its folder:", _model_dir()
        )


def _has_models(folder: Folder) -> bool:
    return "models" in folder.what


def _model_dir() -> str:
    return "jupyter uml --model-dir /local/models"
