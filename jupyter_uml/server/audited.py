"""What is done with the server, and what is refused, as the audit file has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from jupyter_uml.access import AuditEvent, Principal
from jupyter_uml.access.events import Value
from jupyter_uml.errors import AuthenticationFailed, PermissionDenied, UmlError
from jupyter_uml.server.credentials import CredentialHandler


@dataclass(slots=True)
class Act:
    """Something that is being done. `target`: the id of what it is done to. `details`: never a secret or a prompt."""

    target: str = ""
    details: dict[str, Value] = field(default_factory=dict)


class AuditedHandler(CredentialHandler):
    """A handler that leaves a trace."""

    principal: Principal  # from when it is known who asks
    request_id: str
    route: str

    @asynccontextmanager
    async def audited(self, action: str, target: str = "", **details: Value) -> AsyncIterator[Act]:
        """Something that an administrator may ask about later, in the audit file when the block is over: answer after
        it. `target`: the id of what it is done to, which may be set later.

        Raises:
            RecordsUnavailable: it cannot be recorded, and has to be.
        """
        self.gate.audit.check()
        act = Act(target, dict(details))
        try:
            yield act
        except BaseException as error:
            outcome = "refused" if isinstance(error, PermissionDenied) else "failed"
            code = error.code if isinstance(error, UmlError) else type(error).__name__
            await self.gate.write(self.event(action, outcome, error=code, target=act.target, details=act.details))
            raise
        await self.gate.write(self.event(action, "ok", target=act.target, details=act.details))

    def event(self, action: str, outcome: Any, **fields: Any) -> AuditEvent:
        principal = getattr(self, "principal", None)
        return AuditEvent(
            action,
            outcome,
            principal_id=principal.id if principal else "",
            principal_name=principal.name if principal else "",
            request_id=self.request_id,
            address=self.request.remote_ip or "",
            **fields,
        )

    def note_refusal(self, error: UmlError) -> None:
        """In the audit file, where somebody has shown a credential."""
        known = getattr(self, "principal", None)
        if known is None and not (isinstance(error, AuthenticationFailed) and self.shows_credential):
            return
        self.gate.refusals.add(self.event("request.refused", "refused", error=error.code, target=self.route))
