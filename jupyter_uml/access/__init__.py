"""Who may use the server, how much, in which order, and what is remembered of it. No HTTP in it.

A request's way through it:

1. `KeyRing.find(secret)` → `Principal`, from memory. Keys live in the `Database`, one file for all servers of a user.
2. `Usage.check()` and `AuditLog.check()`: while the disk takes no records, requests are refused, if so configured.
3. `Limiter.admit(principal, tokens)` → `Lease`: requests, tokens and streams; `Ledger` remembers over a restart.
4. `Turns.slot(engine, …, principal.id, cost, priority)`: its turn, in a `FairQueue` of the engine.
5. `Slot.settle(tokens)`, `Lease.settle(tokens)`, `Lease.close()`: what it really took.
6. `Usage.record(UsageRecord)`: written a moment later; `AuditLog.write(AuditEvent)`: on the disk when it returns.

Close in this order: the key ring, the database, the audit log.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_uml.access.audit import AuditLog, read_events
    from jupyter_uml.access.database import Database
    from jupyter_uml.access.disk_trouble import OnFullDisk
    from jupyter_uml.access.estimate import expected_tokens, prompt_text, prompt_tokens
    from jupyter_uml.access.events import (
        AUDIT_EVENT,
        AUDIT_SCHEMA,
        REQUEST_EVENT,
        REQUEST_SCHEMA,
        AuditEvent,
        audit_event,
        request_event,
    )
    from jupyter_uml.access.fair_queue import FairQueue, Slot
    from jupyter_uml.access.key import KEY_PREFIX, Key
    from jupyter_uml.access.keys import KeyRing
    from jupyter_uml.access.ledger import Ledger
    from jupyter_uml.access.limiter import Lease, Limiter, Reservation
    from jupyter_uml.access.principal import ALL_SCOPES, Limits, Principal, Scope
    from jupyter_uml.access.turns import Turns
    from jupyter_uml.access.usage import Retention, Usage
    from jupyter_uml.access.usage_table import Grouping, UsageRecord, UsageSum

__all__ = [
    "ALL_SCOPES",
    "AUDIT_EVENT",
    "AUDIT_SCHEMA",
    "KEY_PREFIX",
    "REQUEST_EVENT",
    "REQUEST_SCHEMA",
    "AuditEvent",
    "AuditLog",
    "Database",
    "FairQueue",
    "Grouping",
    "Key",
    "KeyRing",
    "Lease",
    "Ledger",
    "Limiter",
    "Limits",
    "OnFullDisk",
    "Principal",
    "Reservation",
    "Retention",
    "Scope",
    "Slot",
    "Turns",
    "Usage",
    "UsageRecord",
    "UsageSum",
    "audit_event",
    "expected_tokens",
    "prompt_text",
    "prompt_tokens",
    "read_events",
    "request_event",
]

# Looked up when they are asked for: a Jupyter server needs two of them at its start, and waits for no others.
_NAMES = {
    "audit": "AuditLog read_events",
    "database": "Database",
    "disk_trouble": "OnFullDisk",
    "estimate": "expected_tokens prompt_text prompt_tokens",
    "events": "AUDIT_EVENT AUDIT_SCHEMA REQUEST_EVENT REQUEST_SCHEMA AuditEvent audit_event request_event",
    "fair_queue": "FairQueue Slot",
    "key": "KEY_PREFIX Key",
    "keys": "KeyRing",
    "ledger": "Ledger",
    "limiter": "Lease Limiter Reservation",
    "principal": "ALL_SCOPES Limits Principal Scope",
    "turns": "Turns",
    "usage": "Retention Usage",
    "usage_table": "Grouping UsageRecord UsageSum",
}
_HOMES = {name: f"{__name__}.{module}" for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
