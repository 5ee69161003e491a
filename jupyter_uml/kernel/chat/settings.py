"""How a panel asks, as a person fills it in; an empty field leaves the choice to the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_uml.errors import InvalidRequest

_NUMBERS = {"temperature": ("Temperature", 0, 2), "top_p": ("Top p", 0, 1)}
_WHOLE = {"max_tokens": ("Longest answer", 1, 1 << 24), "seed": ("Seed", 0, (1 << 63) - 1)}
NAMES = ("model", "system", *_NUMBERS, *_WHOLE)


def texts_of(model: str | None, system: str | None) -> dict[str, str]:
    """The fields of a panel that is made with these."""
    return {**dict.fromkeys(NAMES, ""), "model": model or "", "system": system or ""}


def options_of(texts: Mapping[str, Any]) -> dict[str, Any]:
    """What the client is asked with: what was filled in.

    Raises:
        InvalidRequest: a field holds no such number; the message names it.
    """
    written = {name: str(texts.get(name) or "") for name in NAMES}
    options: dict[str, Any] = {"model": written["model"] or None, "system": written["system"].strip() or None}
    return options | {name: _number(name, written[name]) for name in (*_NUMBERS, *_WHOLE) if written[name].strip()}


def faults_of(texts: Mapping[str, Any]) -> dict[str, str]:
    """By the names of the fields, what is wrong with them."""
    faults = {}
    for name in NAMES:
        try:
            options_of({name: texts.get(name)})
        except InvalidRequest as error:
            faults[name] = str(error)
    return faults


def _number(name: str, text: str) -> float | int:
    label, least, most = (_WHOLE | _NUMBERS)[name]
    try:
        number = int(text) if name in _WHOLE else float(text.replace(",", "."))
    except ValueError as error:
        wanted = "a whole number" if name in _WHOLE else "a number"
        raise InvalidRequest(f"{label}: {text.strip()[:40]!r} is not {wanted}.", param=name) from error
    if not least <= number <= most or (name == "top_p" and number == 0):  # NaN is in no such range
        raise InvalidRequest(f"{label} is a number between {least:,} and {most:,}.", param=name)
    return number
