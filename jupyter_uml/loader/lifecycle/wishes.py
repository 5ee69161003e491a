"""What callers ask of a loaded model, put together and compared. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jupyter_uml.errors import InvalidRequest, ModelLoadFailed
from jupyter_uml.loader.catalog.entry import CatalogEntry
from jupyter_uml.types import EffectiveSettings, LoadSettings

_AT_LEAST = ("n_ctx", "n_parallel")  # more of it serves as well


def wishes_for(entry: CatalogEntry, settings: LoadSettings | None = None) -> LoadSettings:
    """What is asked for, over what the model's profile says.

    Raises:
        ModelLoadFailed: it is nothing that could be loaded.
        InvalidRequest: a number that no model could be loaded with.
    """
    if not entry.loadable:
        raise ModelLoadFailed(f"{entry.id} cannot be loaded: {entry.reason}")
    wishes = (settings or LoadSettings()).over(entry.defaults.settings if entry.defaults else None)
    _check_bounds(wishes)
    return wishes


def satisfied(running: EffectiveSettings, asked: LoadSettings) -> bool:
    """Whether a running engine gives what is asked for; a longer context than asked for is good enough."""
    for name, wanted in asked.given().items():
        given, most = getattr(running, name), running.n_ctx * running.n_parallel
        value = min(wanted, most) if name == "n_batch" else wanted  # the engine needs no larger one
        if given < value if name in _AT_LEAST else given != value:
            return False
    return True


def together(first: LoadSettings, then: LoadSettings) -> LoadSettings:
    """What serves both; where that cannot be, as `then` says."""
    most: dict[str, Any] = {
        name: max(getattr(first, name) or 0, getattr(then, name) or 0)
        for name in _AT_LEAST
        if getattr(first, name) or getattr(then, name)
    }
    return replace(then.over(first), **most)


def covered(by: LoadSettings, asked: LoadSettings) -> bool:
    """Whether what was loaded for one serves the other as well."""
    return together(by, asked) == by


def _check_bounds(asked: LoadSettings) -> None:
    for name, value in asked.given().items():
        if isinstance(value, int) and value < (-1 if name == "n_gpu_layers" else 1):
            raise InvalidRequest(f"{name} must not be {value}.", param=name)
