"""The events of a pull's stream, made into rows of one kind. Pure."""

from __future__ import annotations

from dataclasses import replace

from jupyter_uml.client.wire import error_from, parse_event
from jupyter_uml.errors import StreamInterrupted
from jupyter_uml.types import PullProgress, PullState

__all__ = ["PullProgress", "PullReader", "PullState"]


class PullReader:
    """Turns the events of one stream into rows."""

    def __init__(self, name: str) -> None:
        self._row = PullProgress("", name)

    def add(self, event: str, data: str) -> PullProgress:
        """Raises the UmlError that an error event carries, and StreamInterrupted on what cannot be understood."""
        body = parse_event(data)
        if event == "error":
            raise error_from(body)
        try:
            self._row = replace(self._row, id=body.get("id", self._row.id)).after(event, body)
        except (KeyError, TypeError, ValueError) as error:
            raise StreamInterrupted("The server sent an event of another shape than a pull's.") from error
        return self._row
