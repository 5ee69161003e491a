"""How fast a loaded model computes here: with how many threads, and with how many tokens of a prompt in one go.

A step takes one sample. Between two of them requests have their turns, and a sample that is cut short for one counts
for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress

from jupyter_uml.engine.contest import Contest
from jupyter_uml.engine.context import Context
from jupyter_uml.engine.probe import CutShort, Probe
from jupyter_uml.engine.side_work import Finished
from jupyter_uml.errors import InvalidRequest, ModelBusy, UmlError
from jupyter_uml.types import EffectiveSettings, LoadSettings, Measured, MeasureRequest, Speed, SpeedPoint

NAME = "measurement"  # `Context.stop` cuts a sample short by this name
SECONDS = 4.6  # of samples, at most; those that are cut short do not count
PATIENCE = 30.0  # seconds after which a measurement that found no time is given up
MOST_WAYS, MOST_THREADS = 8, 512
_DECODE_UNTIL, _PREFILL_UNTIL = 1.7, 3.0  # seconds of computing; then come the sizes of batches
_SAMPLE_SECONDS = 0.04  # aimed at: the more samples, the less a noise of the machine matters
_MOST_STEPS = 16  # in a sample
_WORTH = 1.05  # times as fast as usual; less is not worth a change
_BATCH_WORTH = 1.1  # other batches change the last bits of what is computed
_LEAST_PROMPT = 16  # tokens that still say something about prompts
_LEAST_BATCH = 64  # tokens; no smaller batch is tried
_SLOW = 0.25  # seconds; where one token takes longer, several sequences are not tried
_COLD = 1.0  # seconds; a first token that takes less is computed again: the weights may have come from the disk
_PROMPT_SECONDS, _PROMPT_SHARE = 0.2, 1 / 8  # of a sample; what a prompt's token takes of an answer's, roughly
_ROUNDS = 5  # of sizes that have to have time

Sample = Callable[[int], list[float]]  # what is tried → seconds of a token, one figure or several
Pauses = Generator[None, None, None]


class Bench:
    """Measures a context, once at a time. Not thread-safe."""

    def __init__(self, context: Context, model: str, settings: EffectiveSettings) -> None:
        self._context, self._model, self._settings = context, model, settings
        self._under_way: _Measurement | None = None

    @property
    def busy(self) -> bool:
        return self._under_way is not None

    def begin(self, request: MeasureRequest) -> None:
        """
        Raises:
            InvalidRequest: no threads to try, or too many.
            ModelBusy: another measurement is under way.
        """
        if not 1 <= len(request.threads) <= MOST_WAYS or not all(1 <= n <= MOST_THREADS for n in request.threads):
            raise InvalidRequest(f"Try 1 to {MOST_WAYS} counts of 1 to {MOST_THREADS} threads.", param="threads")
        if self.busy:
            raise ModelBusy(f"{self._model} is being measured already.", retry_after=5)
        probe = Probe(self._context, self._settings.n_parallel, {NAME, request.id})
        self._under_way = _Measurement(request, probe, self._context, self._settings)

    def step(self, *, others: bool) -> Finished | None:
        """Take a sample, unless there are `others` to be served. At the end: the result, or why there is none."""
        measurement = self._under_way
        if measurement is None:
            return None
        result: Measured | UmlError
        try:
            measurement.check_patience()
            if not others:
                next(measurement.steps)
            return None
        except StopIteration as end:
            result = Measured(measurement.request.id, end.value)
        except UmlError as error:
            result = error
        self._under_way = None
        return Finished(measurement.request.id, result)

    def abort(self, request_id: str) -> None:
        """Nothing happens where it is not measured for this request."""
        if self._under_way is not None and self._under_way.request.id == request_id:
            self._under_way = None


class _Measurement:
    def __init__(self, request: MeasureRequest, probe: Probe, context: Context, settings: EffectiveSettings) -> None:
        self.request, self._probe, self._settings = request, probe, settings
        self._own, self._batch = context.threads, context.batch_tokens
        self._due = time.monotonic() + PATIENCE
        self.steps = self._measure()

    def check_patience(self) -> None:
        if time.monotonic() >= self._due:
            raise ModelBusy(f"{self.request.model} had too much else to do to be measured.", retry_after=10)

    def _measure(self) -> Generator[None, None, Speed]:
        token = yield from self._first_token()
        decode, counts = Contest([*self.request.threads, self._own.decode], _WORTH), self._counts(token)

        def decoded(threads: int) -> list[float]:
            return self._decoded(threads, counts, token)

        def prefilled(threads: int) -> list[float]:
            return [self._probe.prefill(threads, n_tokens, n_tokens)]

        yield from self._hold(decode, decoded, _DECODE_UNTIL)
        n_tokens = self._prompt_tokens(token)
        prefill = Contest([*self.request.threads, self._own.prefill] if n_tokens else [], _WORTH)
        yield from self._hold(prefill, prefilled, _PREFILL_UNTIL)
        batches = Contest(self._batches(prefill), _BATCH_WORTH)
        best = prefill.best() if prefill.ways else self._own.prefill
        yield from self._hold(batches, lambda n: [self._probe.prefill(best, self._batch, n)], SECONDS)
        # Time that is left makes the first two more certain.
        yield from self._hold(decode, decoded, (self._probe.spent + SECONDS) / 2)
        yield from self._hold(prefill, prefilled, SECONDS)
        points = {(threads, n_tokens): seconds for threads, (seconds,) in _figures(prefill)}
        points |= {(best, batch): seconds for batch, (seconds,) in _figures(batches)}
        return Speed(
            model=self.request.model,
            settings=self._settings,
            prefill=tuple(SpeedPoint(*way, 1 / seconds) for way, seconds in points.items()),
            decode=tuple(
                SpeedPoint(threads, count, 1 / seconds)
                for threads, figures in _figures(decode)
                for count, seconds in zip(counts, figures, strict=True)
            ),
            advice=_advice(decode, prefill, batches),
            prefill_gain=_gain(prefill, self._own.prefill) * _gain(batches, self._batch),
            decode_gain=_gain(decode, self._own.decode),
            seconds=self._probe.spent,
            time=time.time(),
        )

    def _hold(self, contest: Contest[int], sample: Sample, until: float) -> Pauses:
        """Take samples while there is time for one more. The usual way is measured, if at all possible."""
        longest = 0.0
        while contest.ways and not contest.over:
            started = self._probe.spent
            if started + longest > (until if contest.tried(contest.ways[0]) else SECONDS):
                return
            with suppress(CutShort):
                contest.add(sample(contest.way))
                longest = max(longest, self._probe.spent - started)
            yield

    def _first_token(self) -> Generator[None, None, float]:
        """Seconds that a token takes, roughly."""
        seconds = list[float]()
        while not seconds or (len(seconds) < 2 and seconds[0] < _COLD):
            with suppress(CutShort):
                seconds.append(self._probe.decode(self._own.decode, 1, 1))
            yield
        return seconds[-1]

    def _counts(self, token: float) -> list[int]:
        """Of sequences side by side."""
        most = min(self._settings.n_parallel, self._probe.sequences(_MOST_STEPS + 1))
        return [1, most] if most > 1 and token <= _SLOW else [1]

    def _decoded(self, threads: int, counts: Sequence[int], token: float) -> list[float]:
        def n_steps(count: int) -> int:
            return max(1, min(_MOST_STEPS, int(_SAMPLE_SECONDS / (token * count))))

        return [self._probe.decode(threads, count, n_steps(count)) for count in counts]

    def _prompt_tokens(self, token: float) -> int:
        """For comparing threads; 0: there is no time, or no room, for it."""
        most, left = min(self._batch, self._probe.room), SECONDS - self._probe.spent
        if most < _LEAST_PROMPT or _LEAST_PROMPT * token * _PROMPT_SHARE > left:
            return 0
        return max(_LEAST_PROMPT, min(most, int(_PROMPT_SECONDS / (token * _PROMPT_SHARE)) // 16 * 16))

    def _batches(self, prefill: Contest[int]) -> list[int]:
        """The one that is used, and smaller ones if there is time. The context has no room for a larger one."""
        if not prefill.ways or not prefill.tried(best := prefill.best()) or self._batch > self._probe.room:
            return []
        affordable = (SECONDS - self._probe.spent) / (self._batch * prefill.seconds(best)[0])
        count = min(3, int(affordable / _ROUNDS)) or int(affordable >= 1)
        return [size for power in range(count) if (size := self._batch >> power) >= _LEAST_BATCH or not power]


def _figures(contest: Contest[int]) -> Iterator[tuple[int, list[float]]]:
    return ((way, contest.seconds(way)) for way in contest.ways if contest.tried(way))


def _gain(contest: Contest[int], own: int) -> float:
    """How many times as fast the best way is as the one in use."""
    return contest.ratio(contest.best(), own) if contest.ways else 1.0


def _advice(decode: Contest[int], prefill: Contest[int], batches: Contest[int]) -> LoadSettings:
    """What differs from the usual. Where one count of threads does, both are said: else one would follow the other."""
    usual = decode.ways[0]
    threads, for_prompts = decode.best(), prefill.best() if prefill.ways else usual
    unusual = (threads, for_prompts) != (usual, usual)
    smaller = bool(batches.ways) and batches.best() != batches.ways[0]
    return LoadSettings(
        n_threads=threads if unusual else None,
        n_threads_batch=for_prompts if unusual else None,
        n_batch=batches.best() if smaller else None,
    )
