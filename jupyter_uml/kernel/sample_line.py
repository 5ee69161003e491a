"""The newest figures of one model, for a plot."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_uml.types import Sample

SPAN_SECONDS = 300.0


class SampleLine:
    """`model`: whose figures they are; None: nobody's."""

    def __init__(self) -> None:
        self.model: str | None = None
        self._samples: dict[float, Sample] = {}  # by their time

    def begin(self, model: str | None) -> None:
        """Another model, of which nothing is known yet."""
        self.model, self._samples = model, {}

    def add(self, samples: Iterable[Sample]) -> list[list[float]]:
        """What is known now, oldest first: `[seconds since 1970, bytes, tokens/s]`."""
        known = self._samples | {sample.time: sample for sample in samples}
        oldest = max(known, default=0.0) - SPAN_SECONDS
        self._samples = {time: known[time] for time in sorted(known) if time >= oldest}
        return [
            [time, sample.memory_bytes, round(sample.tokens_per_second, 2)] for time, sample in self._samples.items()
        ]
