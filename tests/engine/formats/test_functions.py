"""Functions as tools are strict where their hints allow that: then every format has a grammar for their calls."""

from __future__ import annotations

import pkgutil
from datetime import date
from importlib import import_module
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from jupyter_uml.client import function_tool
from jupyter_uml.engine import formats
from jupyter_uml.engine.formats.tagged_format import TaggedFormat
from tests.engine.formats.answers import allows

MODULES = [import_module(f"{formats.__name__}.{module.name}") for module in pkgutil.iter_modules(formats.__path__)]
FORMATS = {name: found for module in MODULES for name, found in vars(module).items() if isinstance(found, TaggedFormat)}


class Spot(BaseModel):
    title: str
    floor: Annotated[int, Field(ge=0, lt=100)] = 0


def nothing() -> None: ...


def simple(city: str, unit: Literal["C", "F"] = "C", days: int | None = None, hourly: bool = False) -> None: ...


def rich(
    spots: Annotated[list[Spot], Field(max_length=256)],
    weights: dict[str, list[float]],
    note: Annotated[str, Field(min_length=256, max_length=256)],
    day: date,
    pair: tuple[int, str] = (1, ""),
    either: bool | str = "",
    anything: Any = None,
) -> None: ...


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("tokens", [False, True])
def test_every_format_can_follow_them(name: str, tokens: bool) -> None:
    tools = [function_tool(each) for each in (nothing, simple, rich)]
    assert all(tool.strict for tool in tools)
    allows(FORMATS[name], "Hello", free=True, tools=tools, tokens=tokens)  # raises where it cannot
