"""What is news, and for whom: a few figures always move, and nobody wants to hear of that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jupyter_uml.access import ALL_SCOPES, Principal
from jupyter_uml.live import Message, Running, View
from jupyter_uml.live import snapshot as snapshots
from jupyter_uml.live.snapshot import Snapshot
from jupyter_uml.live.watcher import MAX_RUNNING, Watcher
from jupyter_uml.types import Memory, ModelStatus, Sample, ServerState

GIB = 1 << 30
SMALL = ModelStatus("small", "available", 10, "folder")
LARGE = ModelStatus("large", "available", 99, "folder", aliases=("big",))


class Reader:
    """One who watches a snapshot, and what the messages add up to for him."""

    def __init__(self, snapshot: Snapshot, view: View | None = None, running: Running | None = None) -> None:
        self._watcher, self._snapshot = Watcher(view or View()), snapshot
        self._running = running or Running()
        self.state = ServerState()

    def take(self) -> Message | None:
        message = self._watcher.take(self._snapshot, [], self._running)
        if message is not None:
            self.state = self.state.after(message)
        return message


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test may change."""
    time = [100.0]
    monkeypatch.setattr(snapshots.time, "monotonic", lambda: time[0])
    return time


def test_at_first_everything_then_what_is_new() -> None:
    snapshot = Snapshot()
    snapshot.see_models([SMALL, LARGE])
    reader = Reader(snapshot)
    first = reader.take()
    assert first is not None
    assert first["order"] == ["small", "large"]
    assert reader.take() is None
    snapshot.see_models([SMALL, LARGE])
    assert reader.take() is None
    snapshot.see_models([SMALL, replace(LARGE, state="loading", progress=0.5)])
    assert [row["progress"] for row in (reader.take() or {})["models"]] == [0.5]
    snapshot.see_models([LARGE])
    assert reader.take() == {"order": ["large"], "models": [_row(reader, "large", state="available", progress=None)]}
    assert [row.id for row in reader.state.models] == ["large"]


def _row(reader: Reader, name: str, **fields: Any) -> dict[str, Any]:
    return {**reader._snapshot.models[name].row, **fields}


def test_whoever_is_late_gets_the_newest_only() -> None:
    snapshot, running = Snapshot(), Running()
    snapshot.see_models([SMALL])
    reader = Reader(snapshot, running=running)
    reader.take()
    for progress in (0.1, 0.2, 0.3):
        run = running.enter(f"req_{progress}", "small", "key_1", "Ann", "v1/completions")
        snapshot.see_models([replace(SMALL, state="loading", progress=progress)])
        running.leave(run)
    message = reader.take() or {}
    assert [row["progress"] for row in message["models"]] == [0.3]
    assert "running" not in message  # nothing of it is left
    assert reader.take() is None


def test_that_time_passes_is_no_news(now: list[float]) -> None:
    snapshot = Snapshot()
    loaded = replace(SMALL, state="loaded", expires_in=60.0)
    snapshot.see_models([loaded])
    reader = Reader(snapshot)
    reader.take()
    now[0] += 30
    snapshot.see_models([replace(loaded, expires_in=30.1)])
    assert reader.take() is None
    snapshot.see_models([replace(loaded, expires_in=60.0)])  # somebody has used it
    assert (reader.take() or {})["models"][0]["expires_in"] == 60.0
    snapshot.see_models([replace(loaded, expires_in=60.0, active=1)])
    assert (reader.take() or {})["models"][0]["active"] == 1
    snapshot.see_models([replace(loaded, expires_in=None, active=1)])
    assert (reader.take() or {})["models"][0]["expires_in"] is None


def test_a_little_memory_more_or_less_is_no_news() -> None:
    snapshot = Snapshot()
    snapshot.see_memory(Memory(16 * GIB, 8 * GIB))
    reader = Reader(snapshot)
    assert (reader.take() or {})["memory"] == {"total_bytes": 16 * GIB, "available_bytes": 8 * GIB}
    snapshot.see_memory(Memory(16 * GIB, 8 * GIB + 1000))
    assert reader.take() is None
    snapshot.see_memory(Memory(16 * GIB, 7 * GIB))
    assert set(reader.take() or {}) == {"memory"}


def test_samples_are_told_once() -> None:
    snapshot = Snapshot()
    loaded = replace(SMALL, state="loaded", memory_bytes=5)
    snapshot.see_models([loaded])
    sample = Sample(1.0, 5)
    snapshot.see_samples({"small": sample})
    reader = Reader(snapshot)
    assert (reader.take() or {})["samples"]["small"]["memory_bytes"] == 5
    snapshot.see_samples({"small": sample})
    assert reader.take() is None
    snapshot.see_samples({"small": replace(sample, time=3.0)})
    assert set(reader.take() or {}) == {"samples"}
    snapshot.see_samples({})
    assert reader.take() is None


def test_what_may_not_be_known_is_not_told() -> None:
    snapshot = Snapshot()
    snapshot.see_models([SMALL, replace(LARGE, state="loaded", memory_bytes=1)])
    snapshot.see_samples({"large": Sample(1.0)})
    for models, seen in ((("big",), ["large"]), (("sm*",), ["small"]), ((), [])):
        key = Principal("key_1", "test", frozenset(("models:read",)), models=models)
        reader = Reader(snapshot, View(key, frozenset((key.id,))))
        message = reader.take() or {}
        assert message["order"] == seen
        assert [row["id"] for row in message.get("models", ())] == seen
        assert ("samples" in message) == ("large" in seen)


def test_whose_answers_are_seen_and_how_many() -> None:
    snapshot, running = Snapshot(), Running()
    for number in range(MAX_RUNNING + 5):
        running.enter(f"req_{number}", "small", "key_1", "Ann", "v1/completions")
    running.enter("req_ben", "large", "key_2", "Ben", "v1/completions")
    for id_, scopes, models, seen in (
        ("key_1", {"infer"}, None, MAX_RUNNING),
        ("key_2", {"infer"}, None, 1),
        ("key_3", {"infer"}, None, 0),
        ("key_3", {"infer", "models:admin"}, ("large",), 1),
        ("key_3", ALL_SCOPES, None, MAX_RUNNING),
        ("key_1", {"models:admin"}, None, None),
    ):
        key = Principal(id_, "test", frozenset(scopes), models=models)
        message = Reader(snapshot, View(key, frozenset((id_,))), running).take() or {}
        assert (len(message["running"]) if "running" in message else None) == seen
