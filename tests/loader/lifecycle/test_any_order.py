"""Everything that can be done to three models, in any order, with real workers.

Between two steps the event loop stands still, so that a step begins where the one before has ended; the workers run on.
What was done to a model explains what may become of it. Whatever nothing explains is a failure: a worker too many or
too few, a request without an answer, an error without a cause, a model that is gone though nobody wanted it gone.

`LIFECYCLE_EXAMPLES=200 LIFECYCLE_STEPS=60 pytest --timeout=0 --show-capture=no …` makes more examples than an ordinary
run, others each time, and looks for the shortest that fails, which takes minutes.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jupyter_uml.errors import (
    GenerationAborted,
    InsufficientMemory,
    ModelBusy,
    ModelLoadFailed,
    ModelRestarting,
    UmlError,
    WorkerDied,
)
from jupyter_uml.loader import UniversalLoader
from jupyter_uml.loader.lifecycle.wishes import satisfied
from jupyter_uml.types import Hold, LoadSettings, ModelStatus
from tests.loader.cases import children, come_since, eventually, own_workers
from tests.loader.lifecycle.conftest import NAMES
from tests.loader.lifecycle.stage import COARSE, PLAIN, WIDE, Asked, make_loader, workers_of

LONG_RUN = "LIFECYCLE_EXAMPLES" in os.environ
EXAMPLES, STEPS = int(os.environ.get("LIFECYCLE_EXAMPLES", "4")), int(os.environ.get("LIFECYCLE_STEPS", "20"))
SHORT = 0.2  # seconds of keep-alive
PATIENCE = 30.0  # seconds within which everything ends that can end
SLACK = 24 << 20  # bytes that the test's own process may grow
T = TypeVar("T")

names = st.sampled_from(NAMES)
WISHES = {"plain": PLAIN, "wide": WIDE, "coarse": COARSE, "any": LoadSettings()}
wishes = st.sampled_from(list(WISHES))
signals = st.sampled_from([signal.SIGKILL, signal.SIGSEGV])
kernel_ids = st.sampled_from(["k1", "k2"])
HOLDS = {
    "": Hold(),
    "short": Hold(SHORT),
    "at once": Hold(0),
    "never": Hold(-1),
    "k1": Hold(kernel="k1"),
    "k2": Hold(kernel="k2"),
}
holds = st.sampled_from(list(HOLDS))
places = st.integers(0, 9)
lengths = st.sampled_from([1, 20, 300])


@dataclass
class Deed:
    """A load or an unload; `task` is done when it is."""

    kind: str
    task: asyncio.Task[ModelStatus]
    wished: LoadSettings = field(default_factory=LoadSettings)
    pin: bool | None = None


@dataclass
class Story:
    """What was done to a model. Moments are counted in entries of `deeds`."""

    name: str
    deeds: list[Deed | str] = field(default_factory=list)
    pid: int | None = None  # of the worker that was seen loaded
    pid_since: int = 0
    pinned: bool = False
    was_pinned: bool = False  # ever
    kernels: set[str] = field(default_factory=set)
    came_to: list[int] = field(default_factory=list)  # pids of the workers that requests came to, one after another

    def now(self) -> int:
        """The moment from which on what is done may matter for what begins now: also what is still being done."""
        under_way = (i for i, deed in enumerate(self.deeds) if isinstance(deed, Deed) and not deed.task.done())
        return min(under_way, default=len(self.deeds))

    def since(self, moment: int, *kinds: str) -> bool:
        return any((deed if isinstance(deed, str) else deed.kind) in kinds for deed in self.deeds[moment:])


class Lifecycle(RuleBasedStateMachine):
    def __init__(self, folder: Path, limits: dict[int, int | None]) -> None:
        super().__init__()
        self.folder, self.limits, self.limit = folder, limits, None
        self.before = Footprint()
        self.stories = {name: Story(name) for name in NAMES}
        self.asked: list[tuple[Asked, int]] = []  # and the moment when each began
        self.open_deeds: list[tuple[Story, Deed, int]] = []
        self.killed: set[int] = set()
        self.runner = asyncio.Runner()
        self.loader: UniversalLoader | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(2 * PATIENCE):
                return await work

        return self.runner.run(bounded())

    # --- what can be done ---

    @initialize(models=st.sampled_from([3, 2, 1]))
    def room(self, models: int) -> None:
        """So many of the three fit at once."""
        self.limit = self.limits[models]
        self.run(self._open())

    async def _open(self) -> None:
        self.loader = make_loader(self.folder, self.limit)
        await self.loader.start()

    @rule(name=names, wished=wishes, pin=st.sampled_from([None, None, True, False]), wait=st.booleans())
    def load(self, name: str, wished: str, pin: bool | None, wait: bool) -> None:
        self.run(self._load(name, wished, pin, wait))

    async def _load(self, name: str, wished: str, pin: bool | None = None, wait: bool = False) -> None:
        story, running = self.stories[name], self.loader.status(name).settings
        same = running is not None and satisfied(running, WISHES[wished])
        work = self.loader.load(name, WISHES[wished], pin=pin)
        deed = Deed("load" if same else "swap", asyncio.create_task(work), WISHES[wished], pin)
        if pin is False:
            story.pinned = False
        story.was_pinned |= bool(pin)
        await self._begin(story, deed, wait)

    @rule(name=names, all_wished=st.lists(wishes, min_size=2, max_size=4))
    def load_at_once(self, name: str, all_wished: list[str]) -> None:
        async def begin() -> None:
            for wished in all_wished:
                await self._load(name, wished)

        self.run(begin())

    @rule(name=names, force=st.booleans(), wait=st.booleans())
    def unload(self, name: str, force: bool, wait: bool) -> None:
        async def begin() -> None:
            story = self.stories[name]
            if wait and not force:  # an answer that nobody reads on would be waited for
                self._let_go(name)
            story.pinned = False
            story.kernels.clear()
            kind = "force" if force else "unload"
            deed = Deed(kind, asyncio.create_task(self.loader.unload(name, force=force)))
            await self._begin(story, deed, wait)

        self.run(begin())

    async def _begin(self, story: Story, deed: Deed, wait: bool) -> None:
        moment = story.now()
        story.deeds.append(deed)
        self.open_deeds.append((story, deed, moment))
        if wait and self.limit is None:  # else it may wait for what is held until a later step
            await asyncio.wait([deed.task], timeout=PATIENCE)
            assert deed.task.done(), f"{deed.kind} of {story.name} does not end"

    @rule(name=names, tokens=lengths, held=st.booleans(), hold=holds, count=st.sampled_from([1, 5]))
    def ask(self, name: str, tokens: int, held: bool, hold: str, count: int) -> None:
        said = HOLDS[hold]

        async def begin() -> None:
            story = self.stories[name]
            if said.keep_alive in (0, SHORT):
                story.deeds.append("expires")
            if said.kernel:
                story.kernels.add(said.kernel)
            for _ in range(count):
                asked = Asked(self.loader, name, tokens, held=held, hold=said, came_to=story.came_to)
                self.asked.append((asked, story.now()))

        self.run(begin())

    @precondition(lambda self: self.asked)
    @rule(name=names)
    def let_go(self, name: str) -> None:
        """Whoever held its answer reads on."""
        self._let_go(name)

    @precondition(lambda self: self.asked)
    @rule(place=places)
    def abandon(self, place: int) -> None:
        asked, _ = self.asked.pop(place % len(self.asked))
        asked.task.cancel()
        self.run(_ends(asked.task))

    @rule(name=names, how=signals)
    def crash(self, name: str, how: signal.Signals) -> None:
        """Of its workers that run, and of those that have just been started for one of the models."""
        found = workers_of(self.folder)
        for story in self.stories.values():
            if found.get(""):
                story.deeds.append("crash")
        self.stories[name].deeds.append("crash")
        for worker in (*found.get(name, ()), *found.get("", ())):
            self.killed.add(worker.pid)
            os.kill(worker.pid, how)

    @rule(name=names, wished=wishes, after=st.sampled_from([0.05, 0.2, 0.35]), how=signals)
    def crash_while_it_loads(self, name: str, wished: str, after: float, how: signal.Signals) -> None:
        self.run(self._load(name, wished))
        self.run(asyncio.sleep(after))
        self.crash(name, how)

    @rule(kernel=kernel_ids)
    def close_kernel(self, kernel: str) -> None:
        async def release() -> None:  # on the loop, like all else
            self.loader.release(kernel)

        self.run(release())
        for story in self.stories.values():
            story.kernels.discard(kernel)

    @rule(seconds=st.sampled_from([0.05, 0.3, 0.6]))
    def pass_time(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @rule()
    def all_ends(self) -> None:
        self.run(self._all_ends())

    # --- what must be ---

    @invariant()
    def nothing_is_without_a_cause(self) -> None:
        if self.loader is not None:
            self.run(self._look())

    async def _look(self) -> None:
        await asyncio.sleep(0.01)
        self._check_ended()
        rows = self._rows()
        for story in self.stories.values():
            self._check_workers(story)
            self._check_kept(story, rows[story.name])
            turns = [pid for i, pid in enumerate(story.came_to) if not i or story.came_to[i - 1] != pid]
            assert len(turns) == len(set(turns)), f"{story.name}: a worker that was replaced took a request: {turns}"
        if self.limit is not None:
            expected = sum(row.estimated_bytes or 0 for row in rows.values() if row.pid)
            assert expected <= self.limit, f"{expected} bytes are promised where there are {self.limit}"

    def _check_ended(self) -> None:
        """What has ended did so as what was done allows."""
        for asked, moment in [each for each in self.asked if each[0].task.done()]:
            self.asked.remove((asked, moment))
            if (error := asked.error) is None:
                asked.check_whole()
            else:
                story = self.stories[asked.model]
                assert self._explained(error, story, moment, asked.pid), f"request to {story.name}: {error!r}"
        for story, deed, moment in [each for each in self.open_deeds if each[1].task.done()]:
            self.open_deeds.remove((story, deed, moment))
            self._check_deed(story, deed, moment)

    def _check_deed(self, story: Story, deed: Deed, moment: int) -> None:
        if (error := deed.task.exception()) is not None:
            assert isinstance(error, UmlError), error
            assert deed.kind in ("load", "swap"), f"{deed.kind} of {story.name}: {error!r}"
            assert self._explained(error, story, moment, None), f"load of {story.name}: {error!r}"
        elif deed.kind in ("load", "swap"):
            row = deed.task.result()
            undisturbed = not story.since(moment, "unload", "force", "crash", "expires") and self.limit is None
            if undisturbed:
                assert row.state == "loaded"
                others = [each for each in story.deeds[moment:] if isinstance(each, Deed) and each is not deed]
                assert others or satisfied(row.settings, deed.wished), f"{row.settings} for {deed.wished}"
                story.pinned |= bool(deed.pin)

    def _explained(self, error: UmlError, story: Story, moment: int, pid: int | None) -> bool:
        match error:
            case WorkerDied():
                return pid in self.killed
            case GenerationAborted():
                return story.since(moment, "force", "unload") and (pid is None or story.since(moment, "force"))
            case ModelBusy():
                return story.since(moment, "force", "unload")
            case ModelRestarting():
                return story.since(0, "crash")
            case ModelLoadFailed():
                return error.retry_after is not None and story.since(0, "crash")
            case InsufficientMemory():
                return self.limit is not None and any(other.was_pinned for other in self.stories.values())
        return False

    def _check_workers(self, story: Story) -> None:
        """One worker, or two while the settings change. One that is just ending counts as gone."""
        workers = workers_of(self.folder).get(story.name, [])
        most = 2 if story.since(0, "swap") else 1
        assert len(workers) <= most, f"{story.name} has {len(workers)} workers"

    def _check_kept(self, story: Story, row: ModelStatus) -> None:
        """A model that was loaded still is, if nothing was done that would unload it."""
        if row.pid != story.pid and story.pid is not None and story.pid not in self.killed:
            moment = story.pid_since
            wanted = story.since(moment, "unload", "force", "swap")
            out_of_use = story.since(0, "expires") and not story.kernels
            made_room = self.limit is not None
            assert wanted or (not story.pinned and (out_of_use or made_room)), f"{story.name} was unloaded: {row}"
        if row.pid != story.pid:
            story.pid, story.pid_since = row.pid, story.now()

    async def _all_ends(self) -> None:
        """Everything under way ends, and then there are the workers of the models that are loaded, and no other."""
        for name in NAMES:
            self._let_go(name)
        for task in [*(asked.task for asked, _ in self.asked), *(deed.task for _, deed, _ in self.open_deeds)]:
            await asyncio.wait([task], timeout=PATIENCE)
            assert task.done(), f"no answer within {PATIENCE} s: {task.get_name()}, {self._rows()}"
        self._check_ended()
        await eventually(self._rests, PATIENCE)

    def _rests(self) -> bool:
        rows = self._rows().values()
        for row in rows:
            assert not row.active, row
            assert not row.waiting, row
        pids = {row.pid for row in rows if row.pid is not None}
        at_rest = all(row.state in ("loaded", "available", "failed") for row in rows)
        return at_rest and pids == {worker.pid for worker in own_workers()}

    # --- the end ---

    def teardown(self) -> None:
        failing = sys.exception() is not None  # then that is what should be told
        try:
            if self.loader is not None:
                if not failing:
                    self.run(self._all_is_given_back())
                self.run(self._close(check=not failing))
        finally:
            self.runner.close()
        if not failing:
            self.before.check()

    async def _all_is_given_back(self) -> None:
        await self._all_ends()
        await asyncio.gather(*(self.loader.unload(name) for name in NAMES))
        await eventually(self.before.memory_is_back, 2.0)
        assert {row.state for row in self._rows().values()} == {"available"}

    async def _close(self, *, check: bool) -> None:
        for asked, _ in self.asked:
            asked.task.cancel()
        await self.loader.close()
        await self.loader.catalog.close()
        for _, deed, _ in self.open_deeds:
            await _ends(deed.task)
        if check:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            assert not others, f"tasks left behind: {others}"

    def _let_go(self, name: str) -> None:
        for asked, _ in self.asked:
            if asked.model == name:
                asked.let_go()

    def _rows(self) -> dict[str, ModelStatus]:
        return {row.id: row for row in self.loader.statuses()}


async def _ends(task: asyncio.Task[Any]) -> None:
    await asyncio.wait([task], timeout=PATIENCE)
    assert task.done()
    if not task.cancelled():
        task.exception()


class Footprint:
    """What this process holds, and those of its children that came since."""

    def __init__(self) -> None:
        gc.collect()
        self._me, self._others = psutil.Process(), children()
        self._bytes, self._descriptors = self._tree(), self._me.num_fds()
        self._threads = {thread.ident for thread in threading.enumerate()}

    def _tree(self) -> int:
        return sum(process.memory_info().rss for process in (self._me, *come_since(self._others)))

    def memory_is_back(self) -> bool:
        try:
            return self._tree() <= self._bytes + SLACK
        except psutil.Error:  # one is just ending
            return False

    def check(self) -> None:
        gc.collect()
        assert not come_since(self._others)
        assert self._me.num_fds() <= self._descriptors, self._me.open_files()
        left = [thread for thread in threading.enumerate() if thread.ident not in self._threads]
        for thread in left:
            thread.join(2)
        assert not [thread for thread in left if thread.is_alive()]


@pytest.mark.timeout(600)
def test_whatever_is_done_in_whatever_order(trio: Path, limits: dict[int, int]) -> None:
    profile = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        derandomize=not LONG_RUN,
        phases=tuple(Phase) if LONG_RUN else (Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(lambda: Lifecycle(trio, {3: None, **limits}), settings=profile)
