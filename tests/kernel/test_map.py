"""`jupyter_uml.map` on the demo model: over HTTP, in process, interrupted, killed, and gone on with."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

import jupyter_uml as uml
from jupyter_uml.client import AsyncUniversalClient, UniversalClient
from jupyter_uml.kernel.mapping.result import MapInterrupted
from tests.conftest import Server, wait_until
from tests.kernel.conftest import Kernel

ROWS = 24
City = Literal["Paris", "London", "Oslo"]
PROMPT = "You know three cities and are asked about them by people who write in a hurry. Which one is it? {text}"


@pytest.fixture(autouse=True)
def own_journals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))


@pytest.fixture(params=["http", "in process"])
def either(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[UniversalClient]:
    """A client of the shared server, and one without any."""
    if request.param == "http":
        yield request.getfixturevalue("client")
        return
    for name in ("JUPYTER_UML_URL", "JPY_PARENT_PID", "JUPYTERHUB_SERVICE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    with UniversalClient() as opened:
        yield opened


def test_rows_become_values_whose_prefix_is_computed_once(either: UniversalClient) -> None:
    rows = [{"text": f"weather in {city}, {n}"} for n in range(ROWS // 3) for city in ("Paris", "London", "Oslo")]
    result = _map(either, rows, schema=City)
    assert set(result.values) <= {"Paris", "London", "Oslo"}
    assert (len(result), result.errors) == (ROWS, [])
    alone = either.chat(PROMPT.format(text="weather in Oslo, 3"), model="demo", temperature=0, max_tokens=40)
    assert result.stats.prompt_tokens > 20 * ROWS
    assert result.stats.cached_tokens > 0.6 * result.stats.prompt_tokens
    assert alone.usage is not None
    assert str(result.stats).startswith("24 rows · ")


def test_rows_go_over_a_socket_and_count_as_requests(client: UniversalClient, server: Server) -> None:
    def counted() -> int:
        found = re.findall(r'route="ws v1/chat/completions",status="200"\} (\S+)', server.get("metrics").text)
        return int(sum(map(float, found)))

    before = counted()
    assert _map(client, [f"one {n}" for n in range(5)], max_tokens=2).stats.asked == 5
    assert counted() - before >= 4  # the first one may have had to load the model


def test_text_is_what_the_client_answers(either: UniversalClient) -> None:
    texts = ["How do I load a model?", "Who are you?"]
    result = uml.map(texts, "{text}", model="demo", client=either, max_tokens=8, progress=False)
    assert list(result) == [either.chat(t, model="demo", temperature=0, max_tokens=8).text.strip() for t in texts]
    assert result.stats.cut == 2


def test_hostile_rows_hurt_themselves_only(either: UniversalClient) -> None:
    rows = ["fine", None, float("nan"), "x" * 1_000_000, '{"a": {text}}', "\ud800", "ü🙂\0", b"bytes", 7]
    result = _map(either, rows, max_tokens=3)
    assert [error.row for error in result.errors] == [1, 2, 3, 5, 7]
    assert all(isinstance(value, str) for i, value in enumerate(result.values) if i not in (1, 2, 3, 5, 7))
    assert "1024" in result.errors[2].message


def test_a_function_makes_the_prompt(client: UniversalClient) -> None:
    def prompt(row: dict[str, Any]) -> Any:
        return [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": f"Hello {row['n'] // row['d']}"},
        ]

    rows = [{"n": 4, "d": 2}, {"n": 4, "d": 0}]
    result = uml.map(rows, prompt, model="demo", client=client, max_tokens=2, progress=False)
    assert isinstance(result[0], str)
    assert "ZeroDivisionError" in result.errors[0].message


def test_it_is_shown_how_far_it_is(client: UniversalClient, capsys: pytest.CaptureFixture[str]) -> None:
    _map(client, ["a", None], progress=True, max_tokens=2)
    assert capsys.readouterr().out.splitlines()[-1].endswith("· 1 cut off · 1 error")


# --- asynchronous -----------------------------------------------------------------------------


@pytest.mark.anyio
async def test_asynchronous_rows(server: Server) -> None:
    async def rows() -> AsyncIterator[str]:
        for number in range(6):
            await asyncio.sleep(0)
            yield f"row {number}"

    async with AsyncUniversalClient(server.url, server.token) as client:
        result = await uml.amap(rows(), PROMPT, model="demo", schema=City, client=client, progress=False)
    assert len(result.values) == 6
    assert result.errors == []


@pytest.mark.anyio
async def test_without_a_client_it_shares_the_kernels(client: UniversalClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_uml.kernel.map.shared_client", lambda: client)
    result = await uml.amap(["a", "b"], PROMPT, model="demo", max_tokens=2, progress=False)
    assert (len(result.values), result.errors) == (2, [])
    endless = asyncio.create_task(uml.amap(["a", "b"], PROMPT, model="endless", progress=False))
    await asyncio.to_thread(wait_until, lambda: client.model("endless").active)
    endless.cancel()
    with pytest.raises(asyncio.CancelledError):
        await endless
    await asyncio.to_thread(wait_until, lambda: not client.model("endless").active, 1)


# --- interrupted, and gone on with ------------------------------------------------------------


def test_an_interrupt_at_half_keeps_what_came_and_no_row_is_asked_twice(either: UniversalClient) -> None:
    def interrupted() -> Iterator[str]:
        for number in range(ROWS):
            if number == ROWS // 2:
                raise KeyboardInterrupt
            yield f"row {number}"

    with pytest.raises(MapInterrupted, match="run the cell again to go on") as caught:
        _map(either, interrupted(), max_tokens=4)
    done = caught.value.result
    assert 0 < done.stats.asked <= ROWS // 2
    assert {error.code for error in done.errors} <= {"not_asked"}
    rest = _map(either, [f"row {number}" for number in range(ROWS)], max_tokens=4)
    assert (rest.errors, rest.stats.reused, rest.stats.asked) == ([], done.stats.asked, ROWS - done.stats.asked)
    assert [v for v in done.values if v is not None] == [r for d, r in zip(done, rest, strict=False) if d is not None]
    again = _map(either, [f"row {number}" for number in reversed(range(ROWS))], max_tokens=4)
    assert (again.values, again.stats.asked) == (rest.values[::-1], 0)
    assert _map(either, ["row 1"], max_tokens=4, resume=False).stats.asked == 1
    assert _map(either, ["row 1"], max_tokens=5).stats.asked == 1


SCRIPT = """
import sys
import jupyter_uml as uml
from jupyter_uml.client import UniversalClient
with UniversalClient(sys.argv[1], sys.argv[2]) as client:
    result = uml.map([f"row {n}" for n in range(int(sys.argv[3]))], "Say {text}", model="endless", max_tokens=20,
                     client=client)
print(result.stats.reused, result.stats.asked, len(result.errors))
"""


def test_a_killed_process_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    """Counted by the server: no row whose answer was written down is asked again."""
    command = [sys.executable, "-c", SCRIPT, server.url, server.token, "40"]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_until(lambda: _kept(tmp_path) >= 15, 60)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait(10) == -signal.SIGKILL
    wait_until(lambda: not server.model("endless")["active"])
    half = _answered(server)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    reused, asked, errors = map(int, done.stdout.split()[-3:])
    assert errors == 0
    assert reused + asked == 40
    assert reused >= 15
    assert _answered(server) - half == asked


def test_the_interrupt_button(kernel: Kernel, server: Server, tmp_path: Path) -> None:
    kernel.run(
        f"import os; os.environ['JUPYTER_DATA_DIR'] = {os.environ['JUPYTER_DATA_DIR']!r}; import jupyter_uml as uml"
    )
    cell = "r = uml.map([f'row {n}' for n in range(30)], 'Say {text}', model='endless', max_tokens=50)"
    idle: list[bool] = []
    cancelled = _answered(server, ("cancelled", "aborted"))

    def interrupt() -> None:
        wait_until(lambda: _kept(tmp_path) >= 10, 60)
        kernel.interrupt()
        wait_until(lambda: not server.model("endless")["active"], 2)
        idle.append(True)

    thread = threading.Thread(target=interrupt)
    thread.start()
    stopped = kernel.run(cell)
    thread.join()
    assert idle, "the engine went on"
    assert _answered(server, ("cancelled", "aborted")) > cancelled  # those under way were not left to end by themselves
    assert stopped.status == "error"
    assert "of 30 rows" in stopped.errors[0]
    assert "run the cell again to go on" in stopped.errors[0]
    assert "Traceback" not in stopped.errors[0]
    (shown,) = stopped.displays
    assert shown["text/plain"].startswith("Stopped: ")
    assert any("rows/s" in step["text/plain"] and "left" in step["text/plain"] for step in stopped.steps)
    half = _answered(server)
    rest = kernel.run(cell + "\nprint(r.stats.reused, r.stats.asked, len(r.errors))")
    assert rest.status == "ok", rest.errors
    reused, asked, errors = map(int, rest.printed.split())
    assert (reused + asked, errors) == (30, 0)
    assert reused >= 10
    assert _answered(server) - half == asked


def _map(client: UniversalClient, rows: Any, **options: Any) -> Any:
    return uml.map(rows, PROMPT, model="demo", client=client, **{"progress": False, **options})


def _kept(folder: Path) -> int:
    """Answers that were written down."""
    return sum(path.read_bytes().count(b"\n") for path in (folder / "uml" / "cache" / "map").glob("*.jsonl"))


def _answered(server: Server, outcomes: tuple[str, ...] = ("stop", "length")) -> int:
    """Requests that the server's engine answered to their end."""
    found = re.findall(r'_requests_total\{model="endless",outcome="(\w+)"\} (\S+)', server.get("metrics").text)
    return int(sum(float(count) for outcome, count in found if outcome in outcomes))
