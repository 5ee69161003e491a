"""Which idle models make room for one that is to be loaded. Decides; the loader acts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jupyter_uml.loader.lifecycle.managed import Managed
from jupyter_uml.loader.memory.planner import Plan, Planner
from jupyter_uml.types import LoadSettings


@dataclass(frozen=True, slots=True)
class Room:
    """`victims` have to go before what `plan` says can be had. `waits_for`: they would have to, and are busy."""

    plan: Plan
    victims: tuple[Managed, ...] = ()
    waits_for: tuple[Managed, ...] = ()

    @property
    def enough(self) -> bool:
        return honoured(self.plan)


def honoured(plan: Plan) -> bool:
    """Whether it fits and what was asked for in so many words is kept: a context may shrink only by itself."""
    asked = plan.wishes.n_ctx
    return plan.fit.fits and (asked is None or plan.fit.settings.n_ctx >= asked)


async def find_room(planner: Planner, managed: Managed, wishes: LoadSettings, others: Iterable[Managed]) -> Room:
    """How the model can be had at the least cost to others.

    First with the memory that is free; then in the place of its own former worker; then of idle models that no kernel
    holds, the least recently used first; of those held by kernels only if it cannot be had otherwise; and then of busy
    ones, which have to be waited for.

    Raises:
        ModelLoadFailed, InvalidRequest: it cannot be had at all.
    """
    search = _Search(planner, managed, wishes)
    free = await search.plan([])
    if free.fit.as_wished:
        return Room(free)
    own = [managed] if managed.current is not None else []
    rest = sorted((other for other in others if other.idle), key=lambda other: other.holds.rank)
    unheld = [other for other in rest if not other.holds.kernels]
    if room := await search.best([*own, *unheld], free):
        return room
    if honoured(free):
        return Room(free)
    if room := await search.best([*own, *rest], free):
        return room
    movable = [other for other in others if other.current is not None and not other.holds.pinned]
    busy = sorted((other for other in movable if other not in rest), key=lambda other: other.holds.rank)
    everybody = [*own, *rest, *busy]
    return await search.best(everybody, free) or Room(await search.plan(everybody))


class _Search:
    def __init__(self, planner: Planner, managed: Managed, wishes: LoadSettings) -> None:
        self._planner, self._managed, self._wishes = planner, managed, wishes

    async def plan(self, leaving: Sequence[Managed]) -> Plan:
        pids = [pid for model in leaving for pid in model.pids]
        return await self._planner.plan(self._managed.entry, self._wishes, pids)

    async def best(self, candidates: Sequence[Managed], free: Plan) -> Room | None:
        """The fewest of the candidates, in their order, that bring as much as all; None: they bring nothing."""
        if not candidates:
            return None
        with_all = await self.plan(candidates)
        if _quality(with_all) <= _quality(free):
            return None
        victims: list[Managed] = []
        plan = free
        for candidate in candidates:
            if _quality(plan) >= _quality(with_all):
                break
            victims.append(candidate)
            plan = await self.plan(victims)
        for victim in victims[:-1]:  # small ones that went first may not have been needed
            spared = [other for other in victims if other is not victim]
            if _quality(without := await self.plan(spared)) >= _quality(with_all):
                victims, plan = spared, without
        waits_for = (victim for victim in victims if victim.in_use or (victim.awaited and victim is not self._managed))
        return Room(plan, tuple(victims), tuple(waits_for))


def _quality(plan: Plan) -> tuple[bool, bool]:
    return honoured(plan), honoured(plan) and plan.fit.as_wished
