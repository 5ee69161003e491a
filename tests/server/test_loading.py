"""Loading over HTTP: files that cannot be loaded, each refused with a reason and without any cost to the server."""

from __future__ import annotations

import gc
import struct
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from jupyter_uml.demo import demo_model_path
from tests.conftest import Server, launch, wait_until
from tests.loader.catalog.broken_files import BROKEN

SLACK = 8 << 20  # bytes


def number(key: bytes, value: int) -> Callable[[bytes], bytes]:
    """The model with another 32-bit number under this key."""

    def change(content: bytes) -> bytes:
        place = content.index(key) + len(key)
        assert struct.unpack_from("<I", content, place) == (4,), "an unsigned 32-bit number"
        return content[: place + 4] + struct.pack("<I", value) + content[place + 8 :]

    return change


def name(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    assert len(old) == len(new)
    return lambda content: content.replace(old, new)


# A whole model in which one thing is wrong that only llama.cpp can see, when it loads it, or that cannot be true.
HOLLOW: dict[str, Callable[[bytes], bytes]] = {
    "a tensor is missing": name(b"blk.0.attn_q.weight", b"blk.0.attn_x.weight"),
    "an architecture that nobody knows": name(b"llama", b"lhama"),
    "a tokenizer that nobody knows": name(b"gpt2", b"gptX"),
    "no layers": number(b"llama.block_count", 0),
    "a layer too few": number(b"llama.block_count", 5),
    "a layer too many": number(b"llama.block_count", 7),
    "a billion layers": number(b"llama.block_count", 1 << 30),
    "a layer more than llama.cpp loads": number(b"llama.block_count", 513),
    "no width": number(b"llama.embedding_length", 0),
    "another width": number(b"llama.embedding_length", 160),
    "an absurd width": number(b"llama.embedding_length", (1 << 32) - 64),
    "no heads": number(b"llama.attention.head_count", 0),
    "an absurd number of heads": number(b"llama.attention.head_count", 1 << 30),
    "heads that do not divide the width": number(b"llama.attention.head_count", 7),
    "no heads for keys": number(b"llama.attention.head_count_kv", 0),
    "more heads for keys than there are": number(b"llama.attention.head_count_kv", 1 << 20),
    "an odd rotation": number(b"llama.rope.dimension_count", 7),
    "another feed-forward width": number(b"llama.feed_forward_length", 1),
    "an absurd feed-forward width": number(b"llama.feed_forward_length", 1 << 30),
    "an absurd context": number(b"llama.context_length", (1 << 32) - 1),
}


@pytest.fixture(scope="module")
def broken_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has one model of every kind of broken file, by its place in the table."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "models").mkdir()
    for place, make in enumerate(BROKEN.values()):
        (folder / "models" / f"broken-{place}.gguf").write_bytes(make())
    for place, change in enumerate(HOLLOW.values()):
        (folder / "models" / f"hollow-{place}.gguf").write_bytes(change(demo_model_path().read_bytes()))
    server = launch(folder)
    yield server
    server.stop()


class Footprint:
    """What a server takes: bytes of all its processes, how many they are, and its descriptors."""

    def __init__(self, server: Server) -> None:
        gc.collect()
        me = psutil.Process(server.process.pid)
        children = me.children(recursive=True)
        self.bytes = sum(process.memory_info().rss for process in (me, *children))
        self.processes = {child.pid for child in children}
        self.descriptors = me.num_fds()

    def is_within(self, before: Footprint) -> bool:
        return (
            self.bytes <= before.bytes + SLACK
            and self.processes <= before.processes
            and self.descriptors <= before.descriptors
        )


def is_as_before(server: Server, before: Footprint) -> bool:
    try:
        return Footprint(server).is_within(before)
    except psutil.Error:  # a process is just ending
        return False


def warmed_up(server: Server) -> Footprint:
    """One load and one refusal: what Python imports and allocates at the first of its kind is there."""
    assert server.post("load_model", {"model": "demo"}).status_code == 200
    assert server.post("load_model", {"model": "broken-0"}).status_code == 422
    server.get("models")
    return Footprint(server)


def test_each_is_refused_with_a_reason_and_costs_nothing(broken_server: Server) -> None:
    before = warmed_up(broken_server)
    (worker,) = broken_server.workers()
    reasons: dict[str, str] = {}
    for place, kind in enumerate(BROKEN):
        response = broken_server.post("load_model", {"model": f"broken-{place}"})
        assert response.status_code == 422, (kind, response.text)
        error = response.json()["error"]
        assert error["code"] == "model_load_failed"
        reasons[kind] = error["message"]
    assert len(reasons) >= 34
    for kind, reason in reasons.items():
        assert is_readable(reason, broken_server.models), (kind, reason)
    assert len(set(strip_ids(reasons.values()))) > 10, "the reasons tell the kinds apart"
    wait_until(lambda: is_as_before(broken_server, before), 20)
    assert [each.pid for each in broken_server.workers()] == [worker.pid]
    assert broken_server.post("v1/completions", {"model": "demo", "prompt": "Hi", "max_tokens": 3}).status_code == 200


def is_readable(reason: str, models: Path) -> bool:
    """A sentence of words that says what is wrong, without a path, an address, or the name of an exception.

    Where llama.cpp ended the process, the end of its log stands below it.
    """
    said, _, _ = reason.partition("\n")
    hidden = (str(models), "/tmp", "Traceback", "0x", "Error:", "None")
    return len(said.split()) >= 6 and said.endswith((".", "?")) and not any(each in reason for each in hidden)


def strip_ids(reasons: Iterable[str]) -> list[str]:
    return [reason.partition(":")[2] for reason in reasons]


def test_each_is_listed_with_its_reason(broken_server: Server) -> None:
    rows = {row["id"]: row for row in broken_server.get("models").json()["models"]}
    for place, kind in enumerate(BROKEN):
        row = rows[f"broken-{place}"]
        assert row["state"] in ("available", "failed"), kind
        assert row["reason"], kind


def test_a_request_for_one_is_refused_like_a_load(broken_server: Server) -> None:
    response = broken_server.post("v1/completions", {"model": "broken-1", "prompt": "Hi"})
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "model_load_failed"


def test_many_at_once_leave_the_server_as_it_was(broken_server: Server) -> None:
    before = warmed_up(broken_server)
    bodies = [{"model": f"broken-{place}"} for place in range(len(BROKEN))] * 2
    with ThreadPoolExecutor(8) as pool:
        codes = set(pool.map(lambda body: broken_server.post("load_model", body).status_code, bodies))
    assert codes == {422}
    wait_until(lambda: is_as_before(broken_server, before), 20)


def test_what_only_llama_cpp_can_see_costs_a_worker_and_no_more(broken_server: Server) -> None:
    before = warmed_up(broken_server)
    for place, kind in enumerate(HOLLOW):
        response = broken_server.post("load_model", {"model": f"hollow-{place}"})
        assert response.status_code == 422, (kind, response.text)
        assert is_readable(response.json()["error"]["message"], broken_server.models), response.text
    wait_until(lambda: is_as_before(broken_server, before), 20)
    assert broken_server.post("v1/completions", {"model": "demo", "prompt": "Hi", "max_tokens": 3}).status_code == 200
