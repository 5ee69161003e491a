"""The variables of a notebook, as they are listed to be attached. Nothing of them is called but what says how long."""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any

from IPython.core.getipython import get_ipython

from jupyter_uml.display import figures
from jupyter_uml.kernel.interpolation import names_of
from jupyter_uml.kernel.prompt_values import is_frame

MAX_LISTED = 200
_NO_VALUES = (ModuleType, FunctionType, type)  # of these a model has nothing


def notebook_names() -> Mapping[str, Any]:
    """What is defined in the notebook; nothing outside of one."""
    shell: Any = get_ipython()
    return {} if shell is None else names_of(shell.user_ns, shell.user_ns_hidden)


def listed(names: Mapping[str, Any]) -> list[dict[str, str]]:
    """The last defined first, with their kinds and sizes."""
    own = [(name, value) for name, value in names.items() if not name.startswith("_") and _is_value(value)]
    return [{"name": name, "note": kind_of(value)} for name, value in reversed(own[-MAX_LISTED:])]


def kind_of(value: Any) -> str:
    """`DataFrame, 100 × 3`, `list, 12 items`, `str, 40 characters`, `int`."""
    try:
        return _sized(value)
    except Exception:  # what a value's own length or shape raises
        return type(value).__name__


def _sized(value: Any) -> str:
    name = type(value).__name__
    if is_frame(value) or name == "ndarray":
        shape = getattr(value, "shape", None)  # a lazy frame has none that is known
        return f"{name}, {' × '.join(f'{size:,}' for size in shape)}" if isinstance(shape, tuple) and shape else name
    match value:
        case str():
            return f"{name}, {figures.plural(len(value), 'character')}"
        case dict() | list() | tuple() | set():
            return f"{name}, {figures.plural(len(value), 'item')}"
    return name


def _is_value(value: Any) -> bool:
    return not issubclass(type(value), _NO_VALUES) and not type(value).__module__.startswith(
        ("jupyter_uml.", "IPython.")
    )
