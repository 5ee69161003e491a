"""What every request passes: who asks, what they may use, how much of it, and what is remembered of it.

Built once. A handler (`server/base.py`) finds out who asks and what for, and enters by `Gate.enter`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from jupyter_uml.access import (
    ALL_SCOPES,
    AUDIT_EVENT,
    REQUEST_EVENT,
    AuditEvent,
    AuditLog,
    Database,
    KeyRing,
    Ledger,
    Limiter,
    Limits,
    OnFullDisk,
    Principal,
    Retention,
    Scope,
    Usage,
    UsageRecord,
    audit_event,
    request_event,
)
from jupyter_uml.access.files import AUDIT_FILE, DATABASE_FILE
from jupyter_uml.errors import ModelNotFound, PermissionDenied, UmlError
from jupyter_uml.live import Running
from jupyter_uml.live.view import may_know
from jupyter_uml.loader.catalog.entry import resolve
from jupyter_uml.server.cors import Cors
from jupyter_uml.server.passage import Passage
from jupyter_uml.server.refusals import Refusals
from jupyter_uml.server.uploads import Uploads
from jupyter_uml.service import Service
from jupyter_uml.types import GenerationLabel, ModelStatus

# Who has Jupyter's token, the browser and the kernels of one server are one person: they share what is computed.
JUPYTER_USER = Principal("jupyter", "jupyter", ALL_SCOPES)
_KERNEL_SCOPES: frozenset[Scope] = frozenset(("models:read", "infer", "models:admin"))
_DISK_SECONDS = 2.0  # for a record; a disk that takes longer is in trouble

SOCKET = "ws "  # before the routes of what came over a socket

log = logging.getLogger(__name__)

Emit = Callable[[str, dict[str, Any]], object]
S = TypeVar("S", bound=ModelStatus)


@dataclass(frozen=True)
class GateSettings:
    """As the traits of `UMLApp` have them."""

    key_limits: Limits = field(default_factory=Limits)
    user_limits: Limits = field(default_factory=Limits)
    on_full_disk: OnFullDisk = "go_on"
    usage_days: float = 30.0
    keep_prompts: bool = False
    cors: Cors = field(default_factory=Cors)


class Gate:
    """Close it. `folder`: where keys, usage and the audit file are kept. `emit`: takes events, by the ids of their
    schemas.

    Raises:
        UmlError, OSError: the database or the audit file cannot be opened.
    """

    def __init__(
        self,
        folder: Path,
        service: Service,
        settings: GateSettings | None = None,
        emit: Emit = lambda _schema, _data: None,
        database: Database | None = None,
    ) -> None:
        """`database`: the folder's, where it is open already; the gate closes it."""
        settings = settings or GateSettings()
        self.service, self.cors, self.keep_prompts = service, settings.cors, settings.keep_prompts
        self._emit = emit
        self.database = database or Database(folder / DATABASE_FILE)
        self.keys = KeyRing(self.database)
        self.limiter = Limiter(
            Ledger(self.database), key_defaults=settings.key_limits, user_defaults=settings.user_limits
        )
        retention = Retention(days=settings.usage_days)
        self.usage = Usage(self.database, retention=retention, on_full_disk=settings.on_full_disk)
        self.audit = AuditLog(folder / AUDIT_FILE, on_full_disk=settings.on_full_disk)
        self.refusals, self.uploads = Refusals(self.note), Uploads()
        self.running = Running()
        self.requests: Counter[tuple[str, int]] = Counter()  # by route and status
        self._kernel_key_id = ""
        self._inside, self._empty = 0, asyncio.Event()  # requests
        self._empty.set()

    # --- who asks ---

    def kernel_key(self, secret: str | None = None) -> str:
        """A key for the kernels of this server, which dies with it: a new one, or `secret` (as `new_secret` makes it)
        from now on. Whoever has it is Jupyter's user."""
        key, secret = self.keys.create_ephemeral("kernels", _KERNEL_SCOPES, secret=secret)
        self._kernel_key_id = key.id
        return secret

    def find(self, secret: str) -> Principal | None:
        """Whose key this is, unless it is unknown, expired or revoked."""
        principal = self.keys.find(secret)
        if principal is None or principal.id != self._kernel_key_id:
            return principal
        return replace(JUPYTER_USER, scopes=principal.scopes, by_key=True)

    def account(self, principal: Principal) -> Principal:
        """Whose limits count: a kernel has those of its user."""
        return JUPYTER_USER if principal.id == JUPYTER_USER.id else principal

    # --- what they may use ---

    async def check_model(self, principal: Principal, name: str) -> str:
        """The id of the model that is meant; empty: there is none.

        Raises:
            PermissionDenied, ModelNotFound: it is none that `principal` may use.
        """
        catalog, loader = self.service.loader.catalog, self.service.loader
        if principal.models is None:
            entry = resolve(catalog.entries(), name)
            return entry.id if entry else ""
        with suppress(ModelNotFound):
            await catalog.find(name)
        try:
            status = loader.status(name)
        except ModelNotFound as error:
            raise ModelNotFound(name, [row.id for row in self.visible(principal, loader.statuses())]) from error
        if not may_know(principal, status):
            raise PermissionDenied("This key may not use this model.", param="model")
        return status.id

    def visible(self, principal: Principal, models: Iterable[S]) -> list[S]:
        """Those of the models that may be known."""
        return [status for status in models if may_know(principal, status)]

    # --- how much ---

    def limit_headers(self, principal: Principal) -> dict[str, str]:
        """`x-ratelimit-…`; empty without limits."""
        return self.limiter.headers(self.account(principal))

    # --- what is remembered ---

    @asynccontextmanager
    async def enter(
        self, principal: Principal, request_id: str, route: str, label: GenerationLabel | None = None
    ) -> AsyncIterator[Passage]:
        """A request for a model, which leaves one record, however it ends; it is on the disk when the block is over.

        `label`: what people know it by, where it has one.
        """
        passage = Passage(self, principal, request_id, route, label)
        self._inside += 1
        self._empty.clear()
        try:
            yield passage
            await passage.end()
        except BaseException as error:
            await passage.end(error)
            raise
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    async def record(self, record: UsageRecord, *, acknowledged: bool) -> None:
        """Returns when it is on the disk.

        Raises:
            RecordsUnavailable: what is `acknowledged` has to be recorded, and could not be.
        """
        if record.route.startswith(SOCKET):  # which is one HTTP request for all that comes over it
            self.requests[record.route, record.status] += 1
        self.usage.record(record)
        self._tell(REQUEST_EVENT, request_event(record))
        try:
            async with asyncio.timeout(_DISK_SECONDS):
                await self.usage.flush()
        except TimeoutError:
            self.usage.trouble.begins(f"the disk takes longer than {_DISK_SECONDS:.0f} s")
        except UmlError:
            pass  # `check` knows
        if acknowledged:
            self.usage.check()

    async def write(self, event: AuditEvent) -> None:
        """Something was done; returns when the audit file has it.

        Raises:
            RecordsUnavailable: it does not, and has to.
        """
        self._tell(AUDIT_EVENT, audit_event(event))
        await self.audit.write(event)

    def note(self, event: AuditEvent) -> None:
        """The same without waiting, for what was refused."""
        self._tell(AUDIT_EVENT, audit_event(event))
        self.audit.note(event)

    def _tell(self, schema: str, data: dict[str, Any]) -> None:
        """Whoever listens to Jupyter's events. That they fail must not make a request fail."""
        try:
            self._emit(schema, data)
        except Exception:
            log.exception("an event could not be told")

    async def aclose(self) -> None:
        """After the service: what is still on its way through has failed, and is recorded first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_DISK_SECONDS):
                await self._empty.wait()
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Blocks until all is written."""
        self.refusals.close()
        self.keys.close()
        self.database.close()
        self.audit.close()
