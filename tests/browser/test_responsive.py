"""A long answer leaves the page responsive while it comes, and the notebook's file small.

The page's frames are timed: what one takes longer than its turn is what a person who types or scrolls would wait. The
answer comes faster than from any model here, and has all that takes time to show: code, tables, and no end of a list.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import expect

from tests.browser.lab import Lab, Notebook
from tests.browser.panels import Chat
from tests.client.stub_server import DONE, Events, Reply, StubServer, delta, finish, model_row, usage

TOKENS = 10_000
LIMIT_P95, LIMIT_LONGEST = 100, 1000  # milliseconds, for machines that do other work meanwhile
AT_A_TIME, PAUSE = 50, 0.02  # tokens and seconds: at most 2,500 tokens a second
CODE = '''
```python
@dataclass
class Point:
    """Where it is, {number}."""
    x: float = 1.5

    def moved(self, by: float) -> "Point":  # to the right
        return Point(self.x + by) if by else self
```
'''
TEXT = "Some **words** about `point {number}`, and [a link](https://example.invalid/{number}) to more of them.\n"
TABLE = "| name | value |\n|---|---:|\n" + "| `a` | 1.5 |\n" * 6
LIST = "- point {number} of a list that goes on, with *some* words in it\n"

START = """() => {
  const frames = globalThis.umlFrames = { times: [], on: true };
  let last = performance.now();
  const tick = now => {
    frames.times.push(now - last);
    last = now;
    if (frames.on) {
      requestAnimationFrame(tick);
    }
  };
  requestAnimationFrame(tick);
}"""
STOP = "() => { umlFrames.on = false; return umlFrames.times; }"


class Frames(NamedTuple):
    """Milliseconds from one frame to the next."""

    count: int
    p95: float
    p99: float
    longest: float


def answer() -> str:
    """10,000 tokens of 4 characters."""
    sections = "\n".join((TEXT * 3 + CODE + TEXT + "\n" + TABLE).replace("{number}", str(at)) for at in range(36))
    rest = 4 * TOKENS - len(sections)
    return sections + "\n" + "".join(LIST.replace("{number}", str(at)) for at in range(rest))[: rest - 1]


async def _pause() -> None:
    await asyncio.sleep(PAUSE)


@pytest.fixture
def stub() -> Iterator[StubServer]:
    text = answer()
    pieces: list[bytes | Callable[[], Any]] = []
    for at in range(TOKENS):
        pieces.append(delta(text[4 * at : 4 * at + 4]))
        if at % AT_A_TIME == 0:
            pieces.append(_pause)
    stub = StubServer()
    stub.answer("models", Reply({"models": [model_row()]}))
    stub.answer("models/demo", Reply(model_row()))
    stub.answer("v1/chat/completions", Events([*pieces, finish(), usage(completion=TOKENS), DONE]))
    yield stub
    stub.close()


def frames_while(lab: Lab, do: Callable[[], None]) -> Frames:
    lab.page.evaluate(START)
    do()
    times = sorted(lab.page.evaluate(STOP))
    return Frames(len(times), *(times[math.ceil(len(times) * share) - 1] for share in (0.95, 0.99, 1)))


def keep(lab: Lab, name: str, **figures: Any) -> None:
    """For whoever wants to tell of them."""
    lab.results.mkdir(exist_ok=True)
    path = lab.results / "responsive.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, name: figures}, indent=1))


def saved_size(lab: Lab, notebook: Notebook) -> int:
    lab.command("docmanager:save")
    notebook.until("!panel.context.model.dirty")
    return (lab.work / notebook.path).stat().st_size


def open_at(lab: Lab, stub: StubServer, name: str, *cells: str) -> Notebook:
    """A notebook that asks the stub."""
    asks = f"import os\n\nos.environ['JUPYTER_UML_URL'] = {stub.url!r}\n%load_ext jupyter_uml"
    notebook = lab.notebook(name, asks, *cells)
    notebook.run(0)
    return notebook


def test_the_panel(lab: Lab, stub: StubServer) -> None:
    notebook = open_at(lab, stub, "panel.ipynb", "from jupyter_uml import ChatPanel\n\nChatPanel('demo')")
    notebook.run(1)
    chat = Chat(notebook.output(1).locator(".uml-chat"))

    def ask() -> None:
        chat.ask("Go on and on")
        expect(chat.notes).to_contain_text(f"{TOKENS} tokens", timeout=90_000)

    frames = frames_while(lab, ask)
    expect(chat.bodies.locator(".uml-code")).to_have_count(36)
    size = saved_size(lab, notebook)
    keep(lab, "panel", **frames._asdict(), notebook_bytes=size)
    assert frames.p95 < LIMIT_P95, frames
    assert frames.longest < LIMIT_LONGEST, frames
    assert size < 10_000


def test_a_cell(lab: Lab, stub: StubServer) -> None:
    notebook = open_at(lab, stub, "cell.ipynb", "%%uml demo\nGo on and on")

    def ask() -> None:
        notebook.begin(1)
        notebook.finish(90)

    frames = frames_while(lab, ask)
    expect(notebook.output(1)).to_contain_text(f"{TOKENS} tokens")
    size = saved_size(lab, notebook)
    keep(lab, "cell", **frames._asdict(), notebook_bytes=size)
    assert frames.p95 < LIMIT_P95, frames
    assert frames.longest < LIMIT_LONGEST, frames
    assert size < 8 * 4 * TOKENS
