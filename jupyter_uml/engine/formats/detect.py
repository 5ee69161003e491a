"""Which format a model writes, by its chat template."""

from __future__ import annotations

from functools import lru_cache

from jupyter_uml.engine.formats import (
    apertus,
    command_r,
    deepseek,
    functionary,
    gemma,
    generic,
    glm,
    granite,
    harmony,
    hermes,
    json_lists,
    kimi,
    llama3,
    minimax,
    mistral,
    muse,
    phi,
    pythonic,
    qwen_coder,
    solar,
)
from jupyter_uml.engine.formats.chat_format import ChatFormat

# Those that write their own tags come before those that share some.
_FAMILIES = (
    harmony,
    muse,
    solar,
    command_r,
    apertus,
    functionary,
    pythonic,
    deepseek,
    kimi,
    minimax,
    gemma,
    glm,
    qwen_coder,
    mistral,
    granite,
    phi,
    json_lists,
    llama3,
    hermes,
    generic,
)


@lru_cache(maxsize=16)
def chat_format(template: str | None) -> ChatFormat:
    """The format of a model with this template; with none, the one that any model can be told to write."""
    found = (family.recognise(template or "") for family in _FAMILIES)
    return next((each for each in found if each is not None), generic.GENERIC)
