"""A row of `GET models`, put together from what is known of the file, the model's life and its worker."""

from __future__ import annotations

from dataclasses import replace

from jupyter_uml.loader.catalog.entry import CatalogEntry
from jupyter_uml.loader.health import HealthMonitor
from jupyter_uml.loader.lifecycle.instance import Instance
from jupyter_uml.loader.lifecycle.managed import Managed
from jupyter_uml.types import LoadSettings, ModelFacts, ModelStatus


def status_of(entry: CatalogEntry, managed: Managed | None, monitor: HealthMonitor, now: float) -> ModelStatus:
    """`now`: seconds on the clock of the model's holds. A profile whose settings the running worker does not satisfy
    is not loaded: a request for it would load anew."""
    row = ModelStatus(
        entry.id,
        "available",
        entry.size_bytes,
        entry.source,
        aliases=entry.aliases,
        base=entry.base,
        facts=_facts(entry),
        reason=entry.reason,
        sha256=entry.sha256,
    )
    if managed is None:
        return row
    wanted = entry.defaults.settings if entry.base and entry.defaults else LoadSettings()
    if managed.current is not None and not managed.current.satisfies(wanted):
        return row
    error = managed.error.to_dict() if managed.error and managed.state == "failed" else None
    loading = managed.load is not None
    row = replace(
        row,
        state=managed.state,
        progress=managed.load.progress if managed.load else None,
        error=error,
        pinned=managed.holds.pinned,
        kernels=len(managed.holds.kernels),
        waiting=managed.waiting if loading else 0,
    )
    if managed.load is not None and managed.load.plan is not None:
        row = replace(row, estimated_bytes=managed.load.plan.fit.estimate.peak)
    seen = managed.current or (managed.leaving[-1].instance if managed.leaving and managed.load is None else None)
    return row if seen is None else _running(row, managed, seen, monitor, now)


def _running(row: ModelStatus, managed: Managed, instance: Instance, monitor: HealthMonitor, now: float) -> ModelStatus:
    engine, expires = instance.engine, managed.holds.expires_at
    latest = monitor.latest(managed.entry.id)
    return replace(
        row,
        pid=engine.pid,
        memory_bytes=engine.memory_bytes,
        gpu_memory_bytes=latest.gpu_memory_bytes if latest else None,
        active=engine.active,
        tokens_per_second=engine.tokens_per_second,
        settings=engine.settings,
        info=engine.info,
        expires_in=None if expires is None else max(0.0, round(expires - now, 1)),
        estimated_bytes=instance.plan.fit.estimate.peak,
    )


def _facts(entry: CatalogEntry) -> ModelFacts | None:
    facts = entry.facts
    if facts is None:
        return None
    return ModelFacts(
        facts.kind,
        facts.architecture,
        facts.parameters,
        facts.quantisation,
        facts.n_ctx_train,
        facts.can_use_tools,
        facts.can_reason,
        entry.projector is not None,
    )
