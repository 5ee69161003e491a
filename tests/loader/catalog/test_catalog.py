"""What is found, and what it is called."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from jupyter_uml.errors import ModelNotFound
from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.catalog.facts_cache import FactsCache
from jupyter_uml.loader.catalog.folder_tree import FolderTree
from jupyter_uml.loader.catalog.model_files import ModelFiles
from jupyter_uml.loader.catalog.stores import FolderStore, HuggingFaceStore
from tests.loader.cases import eventually
from tests.loader.catalog.store_trees import adapter, gguf, hugging_face, model_of_width, projector, put


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 10)


def test_the_demo_model_is_there_without_any_folder() -> None:
    assert list(Catalog().entries()) == ["demo"]
    assert not Catalog(demo=False).entries()


def test_files_of_sub_folders_are_found_by_their_name(tmp_path: Path) -> None:
    make(tmp_path, "a.gguf", "deep/er/Llama-3.2 1B (Q4_K_M).gguf", "readme.txt", "b.bin")
    entries = Catalog([tmp_path], demo=False).entries()
    assert list(entries) == ["a", "Llama-3.2-1B-Q4_K_M"]
    assert all(re.fullmatch(r"[A-Za-z0-9._:/-]+", model_id) for model_id in entries)


def test_a_split_model_is_one_model_of_the_whole_size(tmp_path: Path) -> None:
    make(tmp_path, "big-00001-of-00003.gguf", "big-00002-of-00003.gguf", "big-00003-of-00003.gguf")
    (entry,) = Catalog([tmp_path], demo=False).entries().values()
    assert (entry.id, entry.size_bytes, entry.path.name) == ("big", 30, "big-00001-of-00003.gguf")


@pytest.mark.parametrize("name", ["mmproj-model-f16.gguf", "llava-mmproj-Q8_0.gguf", "MMPROJ.gguf"])
def test_projectors_are_no_models(tmp_path: Path, name: str) -> None:
    make(tmp_path, name)
    assert not Catalog([tmp_path], demo=False).entries()


def projectors(folder: Path) -> dict[str, str | None]:
    entries = Catalog([folder], demo=False).entries()
    return {model_id: entry.projector and entry.projector.name for model_id, entry in entries.items()}


def test_a_projector_belongs_to_the_models_beside_it(tmp_path: Path) -> None:
    make(tmp_path, "a/llava.gguf", "a/mmproj-model-f16.gguf", "b/llama.gguf")
    assert projectors(tmp_path) == {"llava": "mmproj-model-f16.gguf", "llama": None}
    entry = Catalog([tmp_path], demo=False).get("llava")
    assert (entry.size_bytes, entry.projector_bytes) == (10, 10)


def test_of_several_projectors_each_model_has_the_one_with_its_name(tmp_path: Path) -> None:
    make(
        tmp_path,
        "gemma-3-4b-it-Q4_K_M.gguf",
        "gemma-3-12b-it-Q8_0.gguf",
        "mmproj-gemma-3-4b-it-BF16.gguf",
        "gemma-3-12b-it-mmproj-Q8_0.gguf",
    )
    assert projectors(tmp_path) == {
        "gemma-3-4b-it-Q4_K_M": "mmproj-gemma-3-4b-it-BF16.gguf",
        "gemma-3-12b-it-Q8_0": "gemma-3-12b-it-mmproj-Q8_0.gguf",
    }


def test_a_model_has_nothing_of_a_projector_that_names_another(tmp_path: Path) -> None:
    make(tmp_path, "llama-3.gguf", "mmproj-gemma-3.gguf")
    assert projectors(tmp_path) == {"llama-3": None}


def test_the_same_name_twice_gives_two_ids_that_tell_them_apart(tmp_path: Path) -> None:
    make(tmp_path / "mine", "x/a.gguf", "y/a.gguf", "z/y/a.gguf", "y/a", "demo.gguf")
    assert list(Catalog([tmp_path / "mine"]).entries()) == ["demo", "mine/demo", "a", "y/a", "z/y/a"]


def test_a_file_with_a_name_that_says_nothing_is_called_after_its_folder(tmp_path: Path) -> None:
    make(tmp_path, "Llama-7B/ggml-model-q4_0.gguf", "Tiny/model.gguf", "model.gguf")
    assert set(Catalog([tmp_path], demo=False).entries()) == {"Llama-7B-Q4_0", "Tiny", "model"}


def test_an_id_stays_when_other_files_come_also_in_the_next_server(tmp_path: Path) -> None:
    make(tmp_path, "models/z/m.gguf")
    catalog = Catalog([tmp_path / "models"], demo=False, state=tmp_path / "state")
    before = catalog.get("m").path
    make(tmp_path, "models/a/m.gguf")
    for each in (catalog, Catalog([tmp_path / "models"], demo=False, state=tmp_path / "state")):
        each._scanned_at = -9
        assert {row.id: row.path.parent.name for row in each.entries().values()} == {"m": "z", "a/m": "a"}
        assert each.get("m").path == before
    assert (tmp_path / "state" / "names.json").stat().st_mode & 0o777 == 0o600


def test_a_name_that_was_given_again_stays_with_whoever_has_it_now(tmp_path: Path) -> None:
    """A disk is taken off, the model is pulled anew, the disk comes back."""
    make(tmp_path, "disk/m.gguf")
    catalog = Catalog([tmp_path / "disk", tmp_path / "own"], demo=False, state=tmp_path / "state")
    assert list(catalog.entries()) == ["m"]
    (tmp_path / "disk").rename(tmp_path / "off")
    make(tmp_path, "own/m.gguf")
    for there in ("off", "disk"):
        catalog = Catalog([tmp_path / "disk", tmp_path / "own"], demo=False, state=tmp_path / "state")
        assert catalog.get("m").path.parent.name == "own"
        if there == "off":
            (tmp_path / "off").rename(tmp_path / "disk")
    assert catalog.get("disk/m").path.parent.name == "disk"


def test_a_link_to_a_known_file_gives_it_no_other_id(tmp_path: Path) -> None:
    """Under another one it would be loaded once more."""
    make(tmp_path, "later/model.gguf")
    folders = [tmp_path / "first", tmp_path / "later"]
    catalog = Catalog(folders, demo=False, state=tmp_path / "state")
    (before,) = catalog.entries()
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "mine.gguf").symlink_to(tmp_path / "later" / "model.gguf")
    catalog = Catalog(folders, demo=False, state=tmp_path / "state")
    assert list(catalog.entries()) == [before]
    assert catalog.get("mine").id == before


@pytest.mark.anyio
async def test_two_files_that_turn_out_to_be_the_same_can_be_had_by_both_ids(tmp_path: Path) -> None:
    hugging_face(tmp_path / "hub", "ann/R-GGUF", {"R-Q4_K_M.gguf": gguf()})
    put(tmp_path / "own" / "R-Q4_K_M.gguf", gguf())
    catalog = Catalog([tmp_path / "own"], demo=False, stores=[HuggingFaceStore(tmp_path / "hub")])
    first, second = catalog.entries()
    await catalog.sha256(first)
    assert list(catalog.entries()) == [first]
    assert catalog.get(second).id == first


def test_a_whole_file_beside_a_split_of_one_part_is_another_model(tmp_path: Path) -> None:
    make(tmp_path, "x/m.gguf", "x/m-00001-of-00001.gguf")
    entries = Catalog([tmp_path], demo=False).entries().values()
    assert sorted(len(entry.files) for entry in entries) == [1, 1]


def test_a_link_that_leads_to_itself_hides_nothing(tmp_path: Path) -> None:
    make(tmp_path, "m.gguf")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "loop.gguf").symlink_to("loop.gguf")
    assert list(Catalog([tmp_path], demo=False).entries()) == ["m"]


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text there")
def test_a_file_whose_name_is_not_in_utf_8_is_listed_with_the_reason(tmp_path: Path) -> None:
    make(tmp_path, "m.gguf")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.gguf")).write_bytes(gguf())
    entries = Catalog([tmp_path], demo=False, state=tmp_path / "state").entries()
    assert {row.id: row.loadable for row in entries.values()} == {"m": True, "caf": False}
    assert "rename it" in (entries["caf"].reason or "")


def test_a_model_can_be_had_by_its_aliases_in_any_capitals(tmp_path: Path) -> None:
    make(tmp_path, "ann/Nice-GGUF/Nice-Q4_0.gguf", "ann/Nice-GGUF/Nice-Q8_0.gguf")
    catalog = Catalog([tmp_path], demo=False)
    for name in ("Nice-Q4_0", "nice-q4_0", "ann/Nice-GGUF:Q4_0", "ANN/nice-gguf:q4_0"):
        assert catalog.get(name).id == "Nice-Q4_0"
    with pytest.raises(ModelNotFound):
        catalog.get("ann/Nice-GGUF")  # which of the two?


def test_a_split_model_that_lacks_a_file_says_so(tmp_path: Path) -> None:
    make(tmp_path, "big-00002-of-00003.gguf", "big-00003-of-00003.gguf")
    (entry,) = Catalog([tmp_path], demo=False).entries().values()
    assert (entry.id, entry.loadable) == ("big", False)
    assert "1 of its 3 files" in (entry.reason or "")


def test_a_missing_folder_and_a_dangling_link_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "a.gguf")
    (tmp_path / "gone.gguf").symlink_to(tmp_path / "nowhere")
    assert list(Catalog([tmp_path, tmp_path / "none"], demo=False).entries()) == ["a"]


def test_loops_of_links_unreadable_folders_and_pipes_are_survived(tmp_path: Path) -> None:
    make(tmp_path / "big", "b.gguf")
    make(tmp_path / "m", "a.gguf", "closed/c.gguf")
    (tmp_path / "m" / "loop").symlink_to(tmp_path / "m")
    (tmp_path / "m" / "elsewhere").symlink_to(tmp_path / "big")
    os.mkfifo(tmp_path / "m" / "pipe.gguf")
    make(tmp_path / "m", ".hidden/h.gguf")
    os.makedirs(os.fsencode(tmp_path / "m") + b"/\xff\xfe")
    (tmp_path / "m" / "closed").chmod(0)
    try:
        entries = Catalog([tmp_path / "m"], demo=False).entries()
    finally:
        (tmp_path / "m" / "closed").chmod(0o700)
    assert {"a", "b"} <= set(entries) <= {"a", "b", "c"}  # root may read everything


@pytest.mark.parametrize("name", ["nope", "../demo", "/etc/passwd", ""])
def test_only_listed_ids_can_be_had(name: str) -> None:
    with pytest.raises(ModelNotFound, match="demo"):
        Catalog().get(name)


# --- what the files say, and keeping up ---


@pytest.mark.anyio
async def test_a_refresh_reads_the_files_and_says_what_cannot_be_loaded(tmp_path: Path) -> None:
    put(tmp_path / "good.gguf", gguf("Good"))
    put(tmp_path / "bad.gguf", gguf()[:500])
    put(tmp_path / "style.gguf", adapter())
    for n in (1, 2):
        put(tmp_path / f"big-0000{n}-of-00002.gguf", gguf(f"part {n}"))
    catalog = Catalog([tmp_path], demo=False)
    assert catalog.get("good").facts is None
    await catalog.refresh()
    entries = catalog.entries()
    assert list(entries) == ["big", "good", "bad", "style"]
    assert [entry.loadable for entry in entries.values()] == [True, True, False, False]
    good, big, style = entries["good"].facts, entries["big"].facts, entries["style"].facts
    assert good is not None
    assert big is not None
    assert style is not None
    assert (good.name, good.n_ctx_train, style.kind) == ("Good", 512, "adapter")
    assert big.parameters == 2 * good.parameters
    assert "cut off" in (entries["bad"].reason or "")


@pytest.mark.anyio
async def test_metadata_tell_a_projector_and_which_models_it_fits(tmp_path: Path) -> None:
    put(tmp_path / "small.gguf", model_of_width(64, "small"))
    put(tmp_path / "wide.gguf", model_of_width(128, "wide"))
    put(tmp_path / "mmproj-a.gguf", projector(64, "a")).rename(tmp_path / "mmproj-f16.gguf")
    put(tmp_path / "mmproj-f32.gguf", projector(128, "b"))
    catalog = Catalog([tmp_path], demo=False)
    await catalog.refresh()
    found = {row.id: row.projector and row.projector.name for row in catalog.entries().values()}
    assert found == {"small": "mmproj-f16.gguf", "wide": "mmproj-f32.gguf"}


@pytest.mark.anyio
async def test_a_projector_of_any_name_is_no_model(tmp_path: Path) -> None:
    put(tmp_path / "m.gguf", gguf())
    put(tmp_path / "m-vision.gguf", projector(64))
    catalog = Catalog([tmp_path], demo=False)
    await catalog.refresh()
    assert list(catalog.entries()) == ["m"]


@pytest.mark.anyio
async def test_a_started_catalog_never_looks_at_a_disk_when_asked_and_notices_what_comes_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = threading.get_ident()
    stat = os.stat

    def watched(path: os.PathLike[str] | str, **kwargs: object) -> os.stat_result:
        assert threading.get_ident() != here or str(tmp_path) not in str(path)
        return stat(path, **kwargs)  # type: ignore[arg-type]

    put(tmp_path / "a.gguf", gguf("a"))
    catalog = Catalog([tmp_path], demo=False)
    await catalog.start()
    try:
        assert list(catalog.entries()) == ["a"]
        monkeypatch.setattr(os, "stat", watched)
        with pytest.raises(ModelNotFound):
            await catalog.find("b")
        path = tmp_path / "b.gguf"
        path.write_bytes(gguf("b"))
        started = time.monotonic()
        catalog._scanned_at = -9
        await eventually(lambda: "b" in catalog.entries())
        assert time.monotonic() - started < 2.5
        assert (await catalog.find("b")).loadable
        path.unlink()
        await eventually(lambda: "b" not in catalog.entries())
        await eventually(lambda: catalog.get("a").facts is not None)
    finally:
        await catalog.close()


@pytest.mark.anyio
async def test_a_new_file_is_found_at_once_by_whoever_wants_it(tmp_path: Path) -> None:
    catalog = Catalog([tmp_path], demo=False)
    await catalog.start()
    try:
        catalog.entries()
        put(tmp_path / "new.gguf", gguf())
        assert (await catalog.find("new")).id == "new"
    finally:
        await catalog.close()


@pytest.mark.anyio
async def test_the_model_of_a_file_that_has_just_come_is_told(tmp_path: Path) -> None:
    snapshot = hugging_face(tmp_path / "hub", "me/m", {f"m-0000{n}-of-00002.gguf": gguf(str(n)) for n in (1, 2)})
    catalog = Catalog(demo=False, stores=[HuggingFaceStore(tmp_path / "hub")])
    for path in (snapshot / "m-00002-of-00002.gguf", (snapshot / "m-00001-of-00002.gguf").resolve()):
        entry = await catalog.holding(path)
        assert entry is not None
        assert entry.id == "m"
    assert await catalog.holding(tmp_path / "none.gguf") is None
    assert len(await catalog.headers(catalog.get("m"))) == 2


@pytest.mark.anyio
async def test_a_file_that_is_known_from_elsewhere_belongs_to_the_model_that_has_it_already(tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    first = hugging_face(hub, "me/first", {"first-Q8_0.gguf": gguf()})
    catalog = Catalog(demo=False, stores=[HuggingFaceStore(hub)])
    known = await catalog.holding(first / "first-Q8_0.gguf")
    second = hugging_face(hub, "you/second", {"second-Q8_0.gguf": gguf()})  # the same bytes under another name
    for path in (second / "second-Q8_0.gguf", first / "first-Q8_0.gguf"):
        entry = await catalog.holding(path)
        assert known is not None
        assert entry is not None
        assert entry.id == known.id
        assert catalog.get("second-Q8_0").id == known.id  # as it would be called if it were alone


class Slow(FolderStore):
    """A folder that takes a while, once it has been looked at."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.looked, self.go_on = threading.Event(), threading.Event()

    def scan(self, cache: FactsCache) -> Sequence[ModelFiles]:
        found = super().scan(cache)
        self.looked.set()
        self.go_on.wait(20)
        return found


@pytest.mark.anyio
async def test_a_file_that_a_look_has_just_missed_is_told(tmp_path: Path) -> None:
    store = Slow(tmp_path)
    catalog = Catalog(demo=False, stores=[store])
    looking = asyncio.create_task(catalog.refresh())
    await asyncio.to_thread(store.looked.wait)
    put(tmp_path / "new.gguf", gguf())
    asking = asyncio.create_task(catalog.holding(tmp_path / "new.gguf"))
    await asyncio.sleep(0)  # it waits for the look that is under way
    store.go_on.set()
    entry = await asking
    await looking
    await catalog.close()
    assert entry is not None
    assert entry.id == "new"


def test_a_file_that_comes_within_the_tick_of_a_look_is_found(tmp_path: Path) -> None:
    tree = FolderTree(tmp_path, lambda name: True)
    make(tmp_path, "a")
    stamp = os.stat(tmp_path).st_mtime_ns
    assert len(tree.scan()[0].files) == 1
    make(tmp_path, "b")
    os.utime(tmp_path, ns=(stamp, stamp))
    assert len(tree.scan()[0].files) == 2


class Hanging:
    """A store on a disk that is gone, until it is back."""

    def __init__(self) -> None:
        self.back = threading.Event()
        self.scans = 0

    def scan(self, cache: FactsCache) -> Sequence[ModelFiles]:
        self.scans += 1
        self.back.wait(20)
        return []


@pytest.mark.anyio
async def test_a_store_that_hangs_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_uml.loader.catalog.catalog.SCAN_SECONDS", 1.0)
    put(tmp_path / "a.gguf", gguf())
    store = Hanging()
    catalog = Catalog([tmp_path], demo=False, stores=[store])
    try:
        async with asyncio.timeout(15):
            await catalog.refresh()
            started = time.monotonic()
            await catalog.refresh()
            assert time.monotonic() - started < 0.9  # nobody waits for it twice
        assert list(catalog.entries()) == ["a"]
        assert store.scans == 1
    finally:
        store.back.set()
        await catalog.close()


@pytest.mark.anyio
async def test_a_checksum_is_known_or_computed(tmp_path: Path) -> None:
    put(tmp_path / "a.gguf", b"x" * 10)
    catalog = Catalog([tmp_path], demo=False)
    computed = await catalog.sha256("a")
    assert computed == hashlib.sha256(b"x" * 10).hexdigest()
    assert catalog.get("a").sha256 == computed
    await catalog.close()


@pytest.mark.anyio
async def test_a_thousand_files_are_found_again_in_milliseconds(tmp_path: Path) -> None:
    for n in range(1000):
        put(tmp_path / "models" / f"org{n % 30}" / f"m{n}" / f"m{n}-Q4_0.gguf", gguf(str(n)))
    await Catalog([tmp_path / "models"], state=tmp_path / "state").refresh()
    catalog = Catalog([tmp_path / "models"], state=tmp_path / "state")
    started = time.process_time()
    assert sum(entry.facts is not None for entry in catalog.entries().values()) == 1001
    first = time.process_time() - started
    again = []
    for _ in range(3):
        catalog._scanned_at = -9
        started = time.process_time()
        assert len(catalog.entries()) == 1001
        again.append(time.process_time() - started)
    assert first < 1.0  # where reading takes seconds
    assert min(again) < 0.2  # the others may be this process's garbage collection
