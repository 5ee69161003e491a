"""Generations that go on when nobody reads them, and can be read again from any place. No HTTP and no engine in it.

`Generations` knows them by whose they are and their ids; each `Generation` works in a task of its own and writes what
comes of it into a `Log`. A server logs encoded events, a process without one the chunks themselves.
"""

from __future__ import annotations

from jupyter_uml.generations.bounds import BOUNDS, Bounds
from jupyter_uml.generations.generation import Asked, Generation, Work
from jupyter_uml.generations.log import Log
from jupyter_uml.generations.registry import Generations
from jupyter_uml.generations.written import WrittenAnswer, joined_calls

__all__ = [
    "BOUNDS",
    "Asked",
    "Bounds",
    "Generation",
    "Generations",
    "Log",
    "Work",
    "WrittenAnswer",
    "joined_calls",
]
