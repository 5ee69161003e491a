"""One who watches: what he may see, and what he has been told."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from itertools import islice
from typing import Any

from jupyter_uml import __version__
from jupyter_uml.live.running import Running
from jupyter_uml.live.snapshot import Snapshot
from jupyter_uml.live.view import View
from jupyter_uml.loader.hub.pull import Pull

MAX_RUNNING = 200  # rows of answers under way, the oldest; `GET running` has all

Message = dict[str, Any]


class Watcher:
    """Needs as much memory as it may see pulls and running answers, however slowly it takes what is told."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._look = -1  # the last one that was told of
        self._pulls: list[Message] | None = None
        self._running: list[Message] | None = None

    def take(self, snapshot: Snapshot, pulls: Collection[Pull], running: Running) -> Message | None:
        """What is new since this was asked last; the first time everything. None: nothing."""
        message: Message = self._of_models(snapshot) if snapshot.look > self._look else {}
        if self._view.has_pulls and (pulled := self._view.pulls(pulls)) != self._pulls:
            message["pulls"] = self._pulls = pulled
        if self._view.has_running and (rows := self._rows(running)) != self._running:
            message["running"] = self._running = rows
        if self._look < 0:
            message["version"] = __version__
        self._look = snapshot.look
        return message or None

    def _rows(self, running: Running) -> list[Message]:
        return [asdict(row) for row in islice(self._view.running(running), MAX_RUNNING)] if running else []

    def _of_models(self, snapshot: Snapshot) -> Message:
        message: Message = {}
        known, may_see = snapshot.models, self._view.may_see
        if snapshot.order_since > self._look:
            message["order"] = [name for name, each in known.items() if may_see(each.status)]
        if rows := [each.row for each in known.values() if each.since > self._look and may_see(each.status)]:
            message["models"] = rows
        if snapshot.memory_since > self._look:
            message["memory"] = asdict(snapshot.memory)
        new = {name: sample for name, (sample, since) in snapshot.samples.items() if since > self._look}
        if samples := {name: asdict(new[name]) for name in new if name in known and may_see(known[name].status)}:
            message["samples"] = samples
        return message
