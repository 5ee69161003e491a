"""What a model is asked for beside answers, a batch at a time, so that answers under way wait for one batch at most.

Requests take turns, a batch each: a single text does not wait for a thousand that came before it. Each kind has a lane
of its own, since the texts of one kind share a context, and the tokens of a long text have to follow one another there.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from jupyter_uml.engine.lora import Adapters
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.side_tasks import SideTasks, Steps, Task
from jupyter_uml.errors import UmlError
from jupyter_uml.types import EmbedRequest, RankRequest, ScoreRequest, SideResult, TokenizeRequest


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a request."""

    request_id: str
    result: SideResult | UmlError


Lane = deque[tuple[str, Steps]]  # by request id


class SideWork:
    """The requests of that kind for one model. Not thread-safe."""

    def __init__(self, model: Model, n_ctx: int, n_threads: int, adapters: Adapters | None = None) -> None:
        self._tasks = SideTasks(model, n_ctx, n_threads, adapters)
        embedding, scoring, tokenizing = Lane(), Lane(), Lane()
        self._lane_of: dict[type[Task], Lane] = {
            EmbedRequest: embedding,
            RankRequest: embedding,
            ScoreRequest: scoring,
            TokenizeRequest: tokenizing,
        }
        self._lanes = deque([embedding, scoring, tokenizing])  # the last one had its turn last
        self.text = self._tasks.text
        self._due = 0.0  # when the next batch may be computed beside answers

    @property
    def busy(self) -> bool:
        return any(self._lanes)

    def add(self, task: Task) -> None:
        """Queue a request. What is wrong with it is found at its first turn."""
        self._lane_of[type(task)].append((task.id, self._tasks.steps(task)))

    def step(self, *, beside: bool = False) -> Finished | None:
        """Compute one batch of the request whose turn it is; what ended with it, if anything did.

        `beside`: answers are under way, so take at most a quarter of the time.
        """
        if not self.busy or (beside and time.monotonic() < self._due):
            return None
        started = time.monotonic()
        finished = _advance(self._next_lane())
        self._due = time.monotonic() + 3 * (time.monotonic() - started)
        return finished

    def abort(self, request_id: str) -> bool:
        """Give a request up; whether there was one of this id."""
        for lane in self._lanes:
            for entry in lane:
                if entry[0] == request_id:
                    lane.remove(entry)
                    return True
        return False

    def close(self) -> None:
        for lane in self._lanes:
            lane.clear()
        self._tasks.close()

    def _next_lane(self) -> Lane:
        while True:
            self._lanes.rotate(-1)
            if self._lanes[-1]:
                return self._lanes[-1]


def _advance(lane: Lane) -> Finished | None:
    request_id, steps = lane[0]
    result: SideResult | UmlError
    try:
        if next(steps):
            lane.rotate(-1)
        return None
    except StopIteration as end:
        result = end.value
    except UmlError as error:
        result = error.copy()  # without its traceback, which would hold all that was asked
    lane.popleft()
    return Finished(request_id, result)
