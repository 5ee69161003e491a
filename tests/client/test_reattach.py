"""When a lost connection is made anew, from which place, and when that is given up."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from jupyter_uml.client.reattach import MAX_LABEL, label_header, reattached
from jupyter_uml.client.retry import RetryPolicy
from jupyter_uml.client.sse import ServerEvent
from jupyter_uml.errors import ConnectionFailed, ModelNotFound, StreamInterrupted, UmlError
from jupyter_uml.types import GenerationLabel

pytestmark = pytest.mark.anyio

CUT, AWAY = StreamInterrupted("cut"), ConnectionFailed("away")
PROXY = UmlError("502", status=502)


class Line:
    """Connections, each of which says some events and ends as told; and a clock that waiting moves on."""

    def __init__(self, *connections: tuple[Sequence[int], UmlError | None], numbered: bool = True) -> None:
        self._connections, self._numbered = list(connections), numbered
        self.asked: list[int] = []
        self.time, self.waits = 0.0, list[float]()

    async def connect(self, after: int) -> AsyncGenerator[ServerEvent, None]:
        self.asked.append(after)
        numbers, error = self._connections.pop(0) if len(self._connections) > 1 else self._connections[0]
        for number in numbers:
            yield ServerEvent(str(number), id=str(number) if self._numbered else "")
        if error is not None:
            raise error

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds

    async def read(self, most: int, policy: RetryPolicy | None = None) -> list[int]:
        events = reattached(self.connect, policy or RetryPolicy(), 0, self.sleep, lambda: self.time)
        found: list[int] = []
        async with aclosing(events):
            async for event in events:
                found.append(int(event.data))
                if len(found) == most:
                    break
        return found


async def test_it_goes_on_after_the_last_event_that_came() -> None:
    line = Line(([1, 2], CUT), ([], AWAY), ([], PROXY), ([3], None), ([4, 5], CUT))
    assert await line.read(5) == [1, 2, 3, 4, 5]
    assert line.asked == [0, 2, 2, 2, 3]
    assert line.waits[0] < line.waits[1] < line.waits[2], "longer each time"
    assert line.waits[3] < line.waits[2], "until it has worked again"


async def test_in_the_end_it_is_given_up() -> None:
    line = Line(([1], CUT), ([], AWAY))
    with pytest.raises(ConnectionFailed):
        await line.read(9, RetryPolicy(deadline=60))
    assert 50 < line.time <= 60


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (Line(([], AWAY)), ConnectionFailed),  # it was never there
        (Line(([], PROXY)), UmlError),
        (Line(([1], CUT), ([], ModelNotFound("x"))), ModelNotFound),
        (Line(([1], CUT), ([], None)), StreamInterrupted),  # it has no more
        (Line(([1, 2], CUT), numbered=False), StreamInterrupted),  # nobody could tell where to go on
    ],
)
async def test_what_is_no_use_to_repeat(line: Line, error: type[UmlError]) -> None:
    with pytest.raises(error):
        await line.read(9)
    assert len(line.asked) <= 2
    assert len(line.waits) <= 1


@pytest.mark.parametrize("question", ["", "x" * 500, "ß" * 9999, '"' * 500, "\N{SMILE}" * 500])
async def test_a_label_fits_its_header(question: str) -> None:
    text = label_header(GenerationLabel("cell", "c1", question))
    assert text.isascii()
    assert len(text) <= MAX_LABEL
    sent = json.loads(text)
    assert (sent["kind"], sent["cell"]) == ("cell", "c1")
    assert question.startswith(sent["question"])
    assert bool(sent["question"]) == bool(question)


@pytest.mark.parametrize(("cell", "told"), [("x" * 1000, True), ("x" * 9999, False), ("\N{SMILE}" * 500, False)])
async def test_of_a_cell_with_an_id_beyond_all_measure_nothing_is_told(cell: str, told: bool) -> None:
    text = label_header(GenerationLabel("cell", cell, "ß" * 500))
    assert len(text) <= MAX_LABEL
    assert json.loads(text)["cell"] == (cell if told else None)
