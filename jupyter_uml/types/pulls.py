"""How far a pull is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, cast

PullState = Literal["looking", "downloading", "waiting", "retrying", "verifying", "done"]


@dataclass(frozen=True, slots=True)
class PullProgress:
    """All that is known of a pull by now.

    `state`: "waiting" is for another process that downloads the same file. The last row is "done", and its `model` the
    id under which the model can be loaded; None where the catalog does not look into the folder that it came into.
    """

    id: str  # of the pull, for `cancel_pull`
    name: str  # what was asked for
    state: PullState = "looking"
    bytes: int = 0
    total_bytes: int = 0
    bytes_per_second: float | None = None  # None: not known yet
    seconds_left: float | None = None
    quantisation: str | None = None
    files: tuple[str, ...] = ()
    why: str = ""  # this quantisation was chosen, in a sentence
    commit: str | None = None  # of the repository
    model: str | None = None

    @property
    def fraction(self) -> float | None:
        """0 to 1; None while it is not known how much is to come."""
        return self.bytes / self.total_bytes if self.total_bytes else None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """A row of `GET pull`."""
        known = cls(str(row["id"]), str(row["model"]))
        for name in ("found", "progress"):
            if row.get(name):
                known = known.after(name, row[name])
        return known

    def after(self, event: str, body: Mapping[str, Any]) -> Self:
        """This row, with what an event of `POST pull` tells; unknown events tell nothing."""
        match event:
            case "found":
                return replace(
                    self,
                    total_bytes=int(body["size_bytes"]),
                    quantisation=body["quantisation"],
                    files=tuple(body["files"]),
                    why=str(body["why"]),
                    commit=body["commit"],
                )
            case "progress":
                return replace(
                    self,
                    state=cast(PullState, body["doing"]),
                    bytes=int(body["bytes"]),
                    total_bytes=int(body["total_bytes"]),
                    bytes_per_second=body["bytes_per_second"],
                    seconds_left=body["seconds_left"],
                )
            case "done":
                size = int(body["size_bytes"])
                return replace(
                    self,
                    state="done",
                    bytes=size,
                    total_bytes=size,
                    seconds_left=None,
                    commit=body["commit"],
                    model=body["model"],
                )
        return self
