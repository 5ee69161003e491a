"""Reading files in a child process: facts, checksums, deadlines, and what is remembered."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.loader.catalog.facts_cache import VERSION, FactsCache, FoundFile, Identity
from jupyter_uml.loader.catalog.file_facts import FileFacts
from jupyter_uml.loader.catalog.folder_tree import found_file
from jupyter_uml.loader.catalog.gguf_file import BrokenFile, read_gguf
from jupyter_uml.loader.catalog.inspector import Inspector, Unreadable
from tests.engine import tiny_models
from tests.loader.cases import eventually
from tests.loader.catalog.broken_files import BROKEN, TENSORS, TEXT, WHOLE, Tensor, key, text
from tests.loader.catalog.store_trees import TEMPLATE, adapter, gguf, projector, put

pytestmark = pytest.mark.anyio


def found(path: Path) -> FoundFile:
    file = found_file(path)
    assert file is not None
    return file


def readers() -> list[psutil.Process]:
    return [
        child for child in psutil.Process().children() if "jupyter_uml.loader.catalog.file_reader" in child.cmdline()
    ]


async def facts(path: Path) -> FileFacts | BrokenFile | None:
    inspector = Inspector(FactsCache())
    await inspector.read([found(path)])
    assert not readers()
    return inspector.cache.facts(found(path).identity)


async def test_what_the_demo_model_is() -> None:
    assert await facts(demo_model_path()) == FileFacts(
        kind="model",
        architecture="llama",
        parameters=3_049_920,
        quantisation="F16",
        n_ctx_train=1024,
        n_embd=192,
        name="jupyter_uml demo",
        has_chat_template=True,
        can_use_tools=True,
    )


async def test_what_other_files_are(tmp_path: Path) -> None:
    embedder = await facts(tiny_models.bert(tmp_path / "e.gguf"))
    ranker = await facts(tiny_models.bert(tmp_path / "r.gguf", pooling=tiny_models.gguf.PoolingType.RANK, labels=1))
    assert isinstance(embedder, FileFacts)
    assert isinstance(ranker, FileFacts)
    assert (embedder.architecture, embedder.pooling, ranker.pooling) == ("bert", "mean", "rank")
    for content, kind, words in (
        (adapter(), "adapter", "LoRA"),
        (projector(64), "projector", "projector"),
        (gguf("x", key("general.type", TEXT, text(b"imatrix"))), "other", "imatrix"),
        (gguf(architecture=b"flux"), "model", "images"),
        (gguf(architecture=b""), "model", "architecture"),
    ):
        told = await facts(put(tmp_path / "x.gguf", content))
        assert isinstance(told, FileFacts)
        assert told.kind == kind
        assert words in (told.reason or "")
    tools = await facts(put(tmp_path / "tools.gguf", gguf("t\n\u202eevil", TEMPLATE)))
    assert isinstance(tools, FileFacts)
    assert (tools.can_use_tools, tools.has_chat_template, tools.name) == (True, True, "t evil")


async def test_a_file_of_ollamas_own_engine_says_so(tmp_path: Path) -> None:
    """Its projector is within: llama.cpp counts the tensors that it knows, and refuses it."""
    eyes = Tensor(b"v.blk.0.ln1.weight", (32,), 1152)
    whole = replace(WHOLE, tensors=(*TENSORS, eyes), data=bytes(1152 + 128)).encoded()
    told = await facts(put(tmp_path / "a.gguf", whole))
    assert isinstance(told, FileFacts)
    assert "Ollama's own engine" in (told.reason or "")


async def test_every_broken_file_has_its_reason_and_none_costs_the_others_theirs(tmp_path: Path) -> None:
    paths = {name: put(tmp_path / f"{n}.gguf", make()) for n, (name, make) in enumerate(BROKEN.items())}
    whole = found(put(tmp_path / "whole.gguf", gguf()))
    inspector = Inspector(FactsCache())
    assert await inspector.read([*map(found, paths.values()), whole]) == len(BROKEN) + 1
    assert isinstance(inspector.cache.facts(whole.identity), FileFacts)
    for path in paths.values():
        with pytest.raises(BrokenFile) as caught:
            read_gguf(path)
        told = inspector.cache.facts(found(path).identity)
        assert isinstance(told, BrokenFile)
        assert told.reason == caught.value.reason


async def test_the_whole_header_comes_through(tmp_path: Path) -> None:
    path = demo_model_path()
    assert await Inspector(FactsCache()).headers([path, path]) == [read_gguf(path)] * 2
    with pytest.raises(BrokenFile, match="empty"):
        await Inspector(FactsCache()).headers([put(tmp_path / "x.gguf", b"")])
    with pytest.raises(FileNotFoundError):
        await Inspector(FactsCache()).headers([tmp_path / "none.gguf"])


async def test_a_file_that_hangs_is_given_up_with_its_folder_and_tried_again_later(tmp_path: Path) -> None:
    """A pipe that nobody writes to is opened for ever, as a file on a network disk that is gone."""
    put(tmp_path / "hanging" / "a.gguf", b"").unlink()
    os.mkfifo(tmp_path / "hanging" / "a.gguf")
    hanging = FoundFile(tmp_path / "hanging" / "a.gguf", Identity(0, 1, 1, 1))
    beside = found(put(tmp_path / "hanging" / "b.gguf", gguf("b")))
    whole = found(put(tmp_path / "whole.gguf", gguf("c")))
    inspector = Inspector(FactsCache(), seconds=0.3)
    await inspector.read([hanging, beside, whole])
    assert isinstance(inspector.cache.facts(whole.identity), FileFacts)
    assert inspector.cache.facts(beside.identity) is None
    assert not inspector.unread([hanging, beside])  # not at once
    assert not readers()
    with pytest.raises(Unreadable):
        await inspector.headers([hanging.path])


async def test_facts_are_remembered_by_what_the_file_is(tmp_path: Path) -> None:
    cache = tmp_path / "state" / "files.json"
    first = put(tmp_path / "a.gguf", gguf("a"))
    broken = put(tmp_path / "b.gguf", b"")
    await Inspector(FactsCache(cache)).read([found(first), found(broken)])
    assert cache.stat().st_mode & 0o777 == 0o600
    again = Inspector(FactsCache(cache))
    assert await again.read([found(first), found(broken)]) == 0
    told = again.cache.facts(found(first).identity)
    assert isinstance(told, FileFacts)
    assert told.name == "a"
    assert isinstance(again.cache.facts(found(broken).identity), BrokenFile)
    put(first, gguf("another"))
    assert await again.read([found(first)]) == 1


async def test_content_that_was_replaced_is_noticed_though_size_and_time_are_as_before(tmp_path: Path) -> None:
    path = put(tmp_path / "a.gguf", gguf("a"))
    before = found(path)
    put(path, gguf("b"))
    os.utime(path, ns=(before.identity.mtime_ns, before.identity.mtime_ns))
    after = found(path)
    assert after.identity[:4] == before.identity[:4]
    inspector = Inspector(FactsCache())
    assert await inspector.read([before]) == 1
    assert inspector.cache.facts(after.identity) is None


async def test_a_file_that_grows_is_not_read_at_each_look(tmp_path: Path) -> None:
    inspector = Inspector(FactsCache())
    path = put(tmp_path / "a.gguf", gguf()[:500])
    assert await inspector.read([found(path)]) == 1
    put(path, gguf()[:700])
    assert await inspector.read([found(path)]) == 0


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"version": 0, "files": {}}',
        '{"version": 2, "files": 3}',
        "[" * 10_000,
        '{"version": 2, "files": {"K": {"facts": {"x": 1}}}}',
    ],
)
async def test_a_damaged_cache_costs_only_time(tmp_path: Path, content: str) -> None:
    file = found(put(tmp_path / "a.gguf", gguf()))
    cache = put(tmp_path / "files.json", content.replace("K", ":".join(map(str, file.identity))))
    inspector = Inspector(FactsCache(cache))
    assert await inspector.read([file]) == 1
    assert isinstance(FactsCache(cache).facts(file.identity), FileFacts)
    assert json.loads(cache.read_text())["version"] == VERSION


async def test_two_servers_add_to_one_cache(tmp_path: Path) -> None:
    files = [found(put(tmp_path / f"{name}.gguf", gguf(name))) for name in "ab"]
    inspectors = [Inspector(FactsCache(tmp_path / "files.json")) for _ in files]
    assert not any(inspector.cache.facts(file.identity) for inspector in inspectors for file in files)
    for inspector, file in zip(inspectors, files, strict=True):
        await inspector.read([file])
    assert all(FactsCache(tmp_path / "files.json").facts(file.identity) for file in files)


async def test_a_checksum_is_computed_once_for_all_who_ask(tmp_path: Path) -> None:
    content = os.urandom(9 << 20)
    file = found(put(tmp_path / "a.gguf", content))
    inspector = Inspector(FactsCache(tmp_path / "files.json"))
    sums = await asyncio.gather(*(inspector.sha256(file) for _ in range(5)))
    assert set(sums) == {hashlib.sha256(content).hexdigest()}
    started = time.perf_counter()
    assert await Inspector(FactsCache(tmp_path / "files.json")).sha256(file) == sums[0]
    assert time.perf_counter() - started < 0.1
    await inspector.close()


async def test_closing_ends_a_checksum_under_way(tmp_path: Path) -> None:
    path = tmp_path / "large.gguf"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    inspector = Inspector(FactsCache())
    task = asyncio.ensure_future(inspector.sha256(found(path)))
    await eventually(lambda: bool(readers()))
    await inspector.close()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not readers()
