"""Answers that need not be computed again: never the wrong one, never too many, never a reason to fail."""

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_uml.client import Answer
from jupyter_uml.kernel.answer_cache import AnswerCache, key_of, wanted
from jupyter_uml.kernel.bounded_folder import ABANDONED_SECONDS, BoundedFolder
from jupyter_uml.kernel.origin import Origin
from jupyter_uml.kernel.record import AnswerRecord
from jupyter_uml.types import (
    GenerateRequest,
    Grammar,
    Message,
    SamplingParams,
    Timings,
    TokenLogprob,
    Tool,
    ToolCall,
    Usage,
)
from jupyter_uml.types.requests import Alternative

REQUEST = GenerateRequest("0" * 32, "demo", (Message("user", "q"),), params=SamplingParams(seed=3))
ORIGIN = Origin("demo", "a" * 64, "b" * 64, "build 1", {"n_ctx": 4096})
ANSWER = Answer(
    "ü\ud800", "demo", "tool_calls", None, Usage(1, 2), Timings(0.1, 0.2, 0.3), "hm", (ToolCall("x", "f", "{}"),)
)
RECORD = AnswerRecord.of(REQUEST).ended(ANSWER, ORIGIN)


def cache_in(folder: Path, max_bytes: int = 1 << 20) -> AnswerCache:
    return AnswerCache(BoundedFolder(lambda: folder, max_bytes))


def key(request: GenerateRequest = REQUEST, origin: Origin = ORIGIN) -> str:
    found = key_of(request, origin)
    assert found is not None
    return found


def with_params(**params: object) -> GenerateRequest:
    return replace(REQUEST, params=replace(REQUEST.params, **params))  # type: ignore[arg-type]


def test_what_one_kernel_remembers_another_finds_whole(tmp_path: Path) -> None:
    assert cache_in(tmp_path).remember(key(), ANSWER, RECORD)
    found = cache_in(tmp_path).remembered(key())
    assert found is not None
    assert found.answer == ANSWER
    assert found.record == replace(RECORD, cached=True)
    assert [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()] == [0o600]


@pytest.mark.parametrize(
    "other",
    [
        key(with_params(seed=4)),
        key(with_params(temperature=0.0)),
        key(replace(REQUEST, given=frozenset({"presence_penalty"}))),
        key(with_params(grammar=Grammar("json_object"))),
        key(replace(REQUEST, tools=(Tool("f"),))),
        key(replace(REQUEST, tool_choice="none")),
        key(replace(REQUEST, deterministic=True)),
        key(replace(REQUEST, variant=1)),
        key(replace(REQUEST, messages=(Message("user", "q "),))),
        key(replace(REQUEST, messages=(Message("user", "q", images=(b"x",)),))),
        key(replace(REQUEST, messages=(), prompt="q")),
        key(origin=replace(ORIGIN, model_sha256="c" * 64)),
        key(origin=replace(ORIGIN, template_sha256="c" * 64)),
        key(origin=replace(ORIGIN, engine="build 2")),
        key(origin=replace(ORIGIN, settings={"n_ctx": 2048})),
    ],
)
def test_all_that_an_answer_depends_on_is_in_its_key(other: str) -> None:
    assert other != key()


def test_what_an_answer_does_not_depend_on_is_not() -> None:
    same = replace(REQUEST, id="1" * 32, model="copy", principal="somebody", priority="batch")
    assert key(same, replace(ORIGIN, model="copy")) == key()


def test_what_is_not_known_to_be_the_same_has_no_key() -> None:
    assert key_of(REQUEST, replace(ORIGIN, model_sha256=None)) is None
    assert key_of(REQUEST, replace(ORIGIN, engine=None)) is None
    assert key_of(with_params(logprobs=1), ORIGIN) is None


def test_by_itself_it_is_for_answers_that_are_expected_to_be_the_same() -> None:
    drawn, greedy = with_params(seed=None), with_params(seed=None, temperature=0.0)
    assert [wanted("auto", request) for request in (drawn, greedy, REQUEST)] == [False, True, True]
    assert [wanted("on", request) for request in (drawn, greedy, REQUEST)] == [True, True, True]
    assert [wanted("off", request) for request in (drawn, greedy, REQUEST)] == [False, False, False]


def test_only_whole_answers_are_kept(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    stopped = replace(ANSWER, finish_reason="aborted")
    likely = replace(ANSWER, logprobs=(TokenLogprob(Alternative(1, b"x", 0.0)),))
    assert not cache.remember(key(), stopped, AnswerRecord.of(REQUEST).ended(stopped, ORIGIN))
    assert not cache.remember(key(), likely, RECORD)
    assert not cache.remember(key(), ANSWER, replace(RECORD, state="failed"))
    assert cache.remembered(key()) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content.replace(b"hm", b"mh"),
        lambda content: os.urandom(len(content)),
    ],
)
def test_a_damaged_entry_is_a_miss_and_goes(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    cache = cache_in(tmp_path)
    cache.remember(key(), ANSWER, RECORD)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert cache.remembered(key()) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"answer": {}, "record": {}}', b'{"answer": 1}'])
def test_an_entry_of_another_program_is_a_miss(tmp_path: Path, content: bytes) -> None:
    cache = cache_in(tmp_path)
    cache.folder.put(key(), content)
    assert cache.remembered(key()) is None


@pytest.mark.parametrize("wrong", [{"model": 5}, {"reasoning": None}, {"text": 1}, {"usage": 7}, {"tool_calls": [1]}])
def test_an_entry_with_other_values_is_a_miss_and_goes(tmp_path: Path, wrong: dict[str, object]) -> None:
    cache = cache_in(tmp_path)
    cache.remember(key(), ANSWER, RECORD)
    row = json.loads(cache.folder.get(key()) or b"")
    cache.folder.put(key(), json.dumps(row | {"answer": row["answer"] | wrong}).encode())
    assert cache.remembered(key()) is None
    assert not list(tmp_path.iterdir())


def test_what_was_used_longest_ago_makes_room(tmp_path: Path) -> None:
    folder = BoundedFolder(lambda: tmp_path, 64_000)
    for number in range(20):
        assert folder.put(str(number), bytes(3000))
        for path in tmp_path.iterdir():  # as if a minute passed
            os.utime(path, (path.stat().st_mtime - 60,) * 2)
        assert folder.get("0") is not None
    for number in range(20, 40):
        folder.put(str(number), bytes(3000))
        assert folder.get("0") is not None
    assert folder.size()[1] <= 64_000
    kept = [number for number in range(40) if folder.get(str(number))]
    assert kept[0] == 0
    assert kept[1:] == list(range(kept[1], 40))


def test_what_other_kernels_wrote_counts_too(tmp_path: Path) -> None:
    folders = [BoundedFolder(lambda: tmp_path, 64_000) for _ in range(30)]
    for number, folder in enumerate(folders):
        folder.put(str(number), bytes(3000))
    assert folders[0].size()[1] <= 64_000


def test_an_answer_that_is_too_long_is_not_kept(tmp_path: Path) -> None:
    assert not BoundedFolder(lambda: tmp_path, 64_000).put("long", bytes(4001))


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    for name, age in (("old.tmp", ABANDONED_SECONDS + 60), ("new.tmp", 0.0)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    BoundedFolder(lambda: tmp_path, 64_000).put("a", b"")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".entry", ".tmp"]
    assert (tmp_path / "new.tmp").exists()


def test_a_folder_that_cannot_be_is_no_reason_to_fail(tmp_path: Path) -> None:
    def nowhere() -> Path:
        raise OSError(28, "No space left on device")

    for folder in (BoundedFolder(nowhere, 1 << 20), BoundedFolder(lambda: tmp_path / "gone", 1 << 20)):
        cache = AnswerCache(folder)
        assert not cache.remember(key(), ANSWER, RECORD)
        assert cache.remembered(key()) is None
        cache.note_origin("demo", ORIGIN)
        assert cache.last_origin("demo") is None


def test_a_full_disk_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = cache_in(tmp_path)
    cache.remember(key(), ANSWER, RECORD)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert not cache.remember("another", ANSWER, RECORD)
    assert cache.remembered(key()) is not None
    assert len(list(tmp_path.iterdir())) == 1


def test_kernels_at_the_same_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from jupyter_uml.kernel.bounded_folder import BoundedFolder\n"
        "folder = BoundedFolder(lambda: Path(sys.argv[1]), 40_000)\n"
        "for turn in range(300):\n"
        "    name = str(turn % 30)\n"
        "    found = folder.get(name)\n"
        "    assert found in (None, name.encode() * 1000), found\n"
        "    assert folder.put(name, name.encode() * 1000)\n"
    )
    kernels = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stderr=subprocess.PIPE) for _ in range(3)
    ]
    for kernel in kernels:
        assert kernel.communicate()[1] == b""
        assert kernel.returncode == 0
    assert BoundedFolder(lambda: tmp_path, 40_000).size()[1] <= 40_000 + 3 * 2200


def test_clearing_leaves_nothing(tmp_path: Path) -> None:
    folder = BoundedFolder(lambda: tmp_path, 1 << 20)
    folder.put("a", b"1")
    folder.put("b", b"2")
    assert folder.size()[0] == 2
    assert folder.clear() == 2
    assert folder.size() == (0, 0)


def test_a_hit_takes_no_time(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.remember(key(), replace(ANSWER, text="word " * 2000), RECORD)
    began = time.perf_counter()
    for _ in range(20):
        assert cache.remembered(key()) is not None
    assert (time.perf_counter() - began) / 20 < 0.02
