"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`error`: it keeps models from running. `topic`: a word. `remedy`: what to do; a command stands in `command`."""

    level: Level
    topic: str
    message: str
    remedy: str = ""
    command: str = ""


def ok(topic: str, message: str) -> Finding:
    return Finding("ok", topic, message)


def note(topic: str, message: str, remedy: str = "", command: str = "") -> Finding:
    """Good to know, and nothing is wrong."""
    return Finding("note", topic, message, remedy, command)


def warning(topic: str, message: str, remedy: str = "", command: str = "") -> Finding:
    """Models run, but worse than they could."""
    return Finding("warning", topic, message, remedy, command)


def error(topic: str, message: str, remedy: str = "", command: str = "") -> Finding:
    return Finding("error", topic, message, remedy, command)
