"""What one principal may know of the models, of what is being pulled, and of what others are asking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jupyter_uml.access import ALL_SCOPES, Principal
from jupyter_uml.live.pull_rows import pull_row
from jupyter_uml.live.run import Run
from jupyter_uml.loader.hub.pull import Pull
from jupyter_uml.types import ModelStatus, RunningAnswer

OWNER = Principal("local", "local", ALL_SCOPES)  # of a process without a server, in which there is nobody else


@dataclass(frozen=True, slots=True)
class View:
    """`own`: ids of the principals whose questions are one's own."""

    principal: Principal = OWNER
    own: frozenset[str] = frozenset((OWNER.id,))

    @property
    def has_pulls(self) -> bool:
        return "models:admin" in self.principal.scopes

    @property
    def has_running(self) -> bool:
        return "infer" in self.principal.scopes

    def may_see(self, status: ModelStatus) -> bool:
        return may_know(self.principal, status)

    def may_stop(self, run: Run) -> bool:
        """Its own, and as an administrator those of the models that it may use. What may be stopped may be seen."""
        others = "models:admin" in self.principal.scopes and self.principal.may_use(run.model)
        return self.has_running and (run.principal_id in self.own or others)

    def running(self, runs: Iterable[Run]) -> Iterator[RunningAnswer]:
        return (self.row(run) for run in runs if self.may_stop(run))

    def row(self, run: Run) -> RunningAnswer:
        """Without what others have asked."""
        return run.row(own=run.principal_id in self.own)

    def pulls(self, pulls: Iterable[Pull]) -> list[dict[str, Any]]:
        if not self.has_pulls:
            return []
        return [pull_row(pull) for pull in pulls if self.principal.may_use(str(pull.name))]


def may_know(principal: Principal, status: ModelStatus) -> bool:
    """Whether it may use the model, by one of its names, or as a profile of a model that it may use."""
    return principal.models is None or any(
        map(principal.may_use, filter(None, (status.id, status.base, *status.aliases)))
    )
