"""The engine: requests in, chunks out. Every step admits who has a place, plans, decodes, samples and emits."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, replace
from itertools import takewhile

from jupyter_uml.engine.batch_rows import by_piece, image_row_of, interruptible, row_of
from jupyter_uml.engine.bench import NAME as MEASUREMENT
from jupyter_uml.engine.bench import Bench
from jupyter_uml.engine.context import Context, Logits, Row
from jupyter_uml.engine.drafting import Drafting
from jupyter_uml.engine.emission import Emission, Emitter
from jupyter_uml.engine.image_rows import is_token
from jupyter_uml.engine.kv_cache import KvCache
from jupyter_uml.engine.lora import Adapters
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.output import AnswerStream
from jupyter_uml.engine.places import Places
from jupyter_uml.engine.prompt import PromptBuilder
from jupyter_uml.engine.sampler import Sampled, Sampler
from jupyter_uml.engine.scheduler import Batch, Scheduler, Slice
from jupyter_uml.engine.sequence import MAX_AHEAD, Sequence
from jupyter_uml.engine.side_work import Finished, SideWork
from jupyter_uml.engine.sight import open_eyes
from jupyter_uml.engine.speculation import Acceptance, Account, Speculator
from jupyter_uml.engine.state_store import StateStore
from jupyter_uml.engine.step_costs import StepCosts
from jupyter_uml.errors import EngineError, UmlError
from jupyter_uml.types import Chunk, EffectiveSettings, FinishReason, GenerateRequest, SideResult

WORTH_DISK_SECONDS = 0.5  # a prefix that takes longer to compute is kept on disk
_TELLING = 32  # prompt tokens in a batch that says something about the machine's rate
_INTERRUPTIONS = 8  # of its reasoning, after which an answer that goes on reasoning is ended
_FEW = 2  # answers side by side: with more, a row of each fills the machine, and going ahead in one holds up the others


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that ended in an error instead of a final chunk."""

    request_id: str
    error: UmlError


Output = Chunk | Failure | SideResult


class Engine:
    """Owns a model and its context. One thread calls all of it, except `interrupt` and `hurry`."""

    def __init__(
        self,
        model: Model,
        settings: EffectiveSettings,
        store: StateStore | None = None,
        worth_disk_seconds: float = WORTH_DISK_SECONDS,
    ) -> None:
        self.model = model
        self.costs = StepCosts()
        self._worth_disk_seconds = worth_disk_seconds
        adapters = Adapters(model, [(file.id, file.path, file.scale) for file in model.spec.lora])
        self.sight = sight = open_eyes(model, settings)
        self._context = Context(model, settings, n_ahead=MAX_AHEAD, n_whole=sight.largest_whole)
        adapters.apply(self._context.handle)
        self.settings = settings = replace(
            settings, n_batch=self._context.batch_tokens, n_threads_batch=self._context.threads.prefill
        )
        self.bench = Bench(self._context, model.spec.id, settings)
        self.side = SideWork(model, settings.n_ctx, settings.n_threads_batch, adapters)
        self._store = store or StateStore(ram_bytes=0, folder=None, disk_bytes=0)
        self._cache = KvCache(settings.n_parallel, self._context, self._store, self._worth_disk)
        self.prompts = PromptBuilder(model, settings.n_ctx, sight)
        self.info = self.prompts.describe(model.info)
        self._scheduler = Scheduler[Sequence](self._context.batch_tokens)
        self._places = Places(settings.n_parallel, self._context, self._cache, self._start)
        self._acceptance, self._account = Acceptance(), Account()
        self.drafting: Drafting | None = None

    @property
    def busy(self) -> bool:
        return bool(self._places) or self.side.busy or self.bench.busy

    def add(self, request: GenerateRequest) -> None:
        """Queue a request.

        Raises:
            InvalidRequest: the prompt is empty, the template refuses the messages, or the grammar is not one.
            ContextLengthExceeded: the prompt leaves no room for an answer.
        """
        prompt = self.prompts.build(request)
        expected = prompt.expectation
        words = list(filter(is_token, prompt.tokens))
        sequence = Sequence(
            request=request,
            tokens=prompt.tokens,
            n_prompt=len(prompt.tokens),
            truncated=prompt.truncated,
            answer=AnswerStream(request.params.stop, expected.parser),
            sampler=Sampler(self.model, replace(request.params, grammar=expected.grammar, seed=request.seed), words),
            spell=self.prompts.spell if expected.parser else self.model.piece,
            thinking=expected.thinking,
            images=prompt.images,
        )
        if not self._context.states_cuttable:
            sequence.checkpoint = sequence.n_prompt - 1
        self._places.line.come(sequence)

    def abort(self, request_id: str) -> list[Output]:
        """End a request; its final chunk says `aborted`. Nothing happens where it has ended already."""
        self._context.stopped(request_id)
        for sequence in self._places:
            if sequence.id == request_id:
                return [self._finish(sequence, "aborted")]
        self.side.abort(request_id)
        self.bench.abort(request_id)
        return []

    def interrupt(self, request_id: str) -> None:
        """Cut a long computation for this request short; `abort` must follow. May be called from another thread."""
        self._context.stop(request_id)

    def hurry(self) -> None:
        """A request is on its way: cut what may wait for it short. May be called from another thread."""
        self._context.stop(MEASUREMENT)

    def step(self) -> list[Output]:
        """Admit, plan, then decode, sample and emit batch by batch."""
        self._places.admit()
        outputs: list[Output] = []
        for batch in self._scheduler.plan(self._places.running, self.costs.prefill_rate()):
            images = [piece for piece in batch if piece.sequence.at_image]
            if texts := [piece for piece in batch if piece not in images]:
                outputs += self._compute(texts)
            outputs += [output for piece in images for output in self._see(piece)]
        if (finished := self.side.step(beside=bool(self._places.running))) is not None:
            outputs.append(_output(finished))
        others = bool(self._places or outputs) or self.side.busy  # what is there has to be sent first
        if (measured := self.bench.step(others=others)) is not None:
            outputs.append(_output(measured))
        return outputs

    def rest(self) -> bool:
        """Something useful while there is no request: save what was computed. False when nothing is left to do."""
        return self._cache.rest()

    def save(self, seconds: float) -> None:
        """Finish writing what is on its way to the disk. For another thread, at the end of the process."""
        self._store.close(timeout=seconds)

    def close(self) -> None:
        for sequence in self._places:
            sequence.sampler.close()
        self._store.close(timeout=2.0)
        if self.drafting is not None:
            self.drafting.close()
        self.side.close()
        self.sight.close()
        self._context.close()
        self.model.close()

    def _start(self, sequence: Sequence, earlier: list[int]) -> None:
        """Let it guess, where guesses can be taken back and checking them does not change a repeatable draw."""
        request = sequence.request
        repeatable = request.params.seed is not None and request.params.temperature != 0
        if self._context.cuttable and not (request.deterministic or repeatable):
            sequence.speculator = Speculator(sequence.tokens, earlier, self._acceptance, self._account)

    def _worth_disk(self, tokens: int) -> bool:
        rate = self.costs.prefill_rate()
        return rate is not None and tokens / rate >= self._worth_disk_seconds

    # --- computing ---

    def _compute(self, batch: Batch[Sequence]) -> list[Output]:
        batch.sort(key=lambda piece: piece.sequence.slot or 0)  # llama.cpp computes neighbouring slots together
        self._guess(batch)
        rows = [row_of(piece) for piece in batch]
        copied = bool(self._context.moving)
        started = time.monotonic()
        try:
            logits = self._context.decode(rows, interruptible(batch), self._cache.idle if len(rows) > 1 else ())
        except EngineError as error:
            return [self._fail(piece.sequence, error) for piece in batch]
        if logits is None:
            self._resume(batch)
            return []
        if not copied:
            self._learn(batch, rows, time.monotonic() - started)
        return [chunk for piece, own in by_piece(batch, rows, logits) if (chunk := self._advance(piece, own))]

    def _guess(self, batch: Batch[Sequence]) -> None:
        """Let sequences go ahead of what is known, where checking it costs less than it saves."""
        if len(batch) > _FEW:
            return
        for sequence, _, last in batch:
            if last and sequence.decoding and sequence.speculator is not None:
                room = min(MAX_AHEAD // len(batch), self._room(sequence) - 1, sequence.thoughts_left - 1)
                guesses = sequence.speculator.propose(room, self.costs, len(batch) - 1)
                sequence.drafts = list(takewhile(is_token, guesses))
                alone = len(batch) == 1 and room > 0 and not sequence.images  # the draft model cannot see
                sequence.by_model = not sequence.drafts and self.drafting is not None and alone
                if sequence.by_model and self.drafting is not None and sequence.slot is not None:
                    sequence.drafts = self.drafting.propose(sequence.slot, sequence.tokens, room, self.costs)

    def _learn(self, batch: Batch[Sequence], rows: list[Row], seconds: float) -> None:
        tokens = sum(len(row.tokens) for row in rows)
        if all(piece.sequence.decoding for piece in batch):
            self.costs.add(tokens, seconds)
        elif tokens >= _TELLING:
            self.costs.add_prefill(tokens, seconds)

    def _resume(self, batch: Batch[Sequence]) -> None:
        """The decode was cut short: go on from what llama.cpp has finished."""
        for sequence, _, _ in batch:
            assert sequence.slot is not None
            sequence.drafts = []
            done = self._context.computed(sequence.slot) - sequence.images.position(sequence.computed)
            # The last token is computed again where it was reached: its logits are lost.
            sequence.computed = self._places.keep(sequence, min(sequence.computed + done, len(sequence.tokens) - 1))

    def _see(self, piece: Slice[Sequence]) -> list[Output]:
        """Compute rows of an image."""
        sequence = piece.sequence
        placed = sequence.images.at(sequence.computed)
        assert placed is not None
        try:
            row = image_row_of(piece, placed, self.sight.embeddings(placed.rows))
            finished = self._context.decode_image(row, {sequence.id})
        except UmlError as error:
            return [self._fail(sequence, error)]
        if not finished:
            sequence.computed = self._places.keep(sequence, placed.start)
            return []
        self._advance(piece, [])
        return []

    def _advance(self, piece: Slice[Sequence], logits: list[Logits]) -> Output | None:
        """Book what was computed and sample what comes next."""
        sequence = piece.sequence
        sequence.computed += piece.n_tokens
        self._places.line.charge(sequence.principal, piece.n_tokens)
        if not piece.last:
            if sequence.computed == sequence.checkpoint and sequence.slot is not None:
                self._cache.checkpoint(sequence.slot, sequence.principal, sequence.tokens[: sequence.computed])
            return None
        drafts, sequence.drafts = sequence.drafts, []
        accepted: list[Sampled] = []
        for index, row in enumerate(logits):
            try:
                sampled = sequence.sampler.sample(row)
            except UmlError as error:
                return self._fail(sequence, error)
            accepted.append(sampled)
            if index == len(drafts) or sampled.token != drafts[index] or sequence.sampler.ended:
                break
        self._judge(sequence, drafts, len(accepted) - 1)
        try:
            return self._emit(sequence, accepted)
        except Exception as error:  # a fault of ours in reading one answer must not end all the others
            traceback.print_exc()
            return self._fail(sequence, EngineError(f"The answer could not be read ({type(error).__name__})."))

    def _judge(self, sequence: Sequence, drafts: list[int], right: int) -> None:
        if not drafts:
            return
        assert sequence.slot is not None
        assert sequence.speculator is not None
        sequence.drafted += len(drafts)
        sequence.accepted += right
        sequence.computed += right
        if sequence.by_model and self.drafting is not None:
            self.drafting.judge(len(drafts), right)
        else:
            sequence.speculator.judge(len(drafts), right)
        self._context.keep(sequence.slot, sequence.images.position(sequence.computed))

    # --- answers ---

    def _room(self, sequence: Sequence) -> int:
        """How many tokens the answer may still have."""
        room = self.settings.n_ctx - len(sequence.tokens)
        most = sequence.request.params.max_tokens
        return room if most is None else min(room, most - sequence.generated)

    def _emit(self, sequence: Sequence, sampled: list[Sampled]) -> Chunk:
        if sequence.first_token_at is None:
            sequence.first_token_at = time.monotonic()
        emitter = Emitter(sequence, self.model, self._has_room)
        emitter.take(sampled)
        if not emitter.ended:
            emitter.force(self._forced(sequence))
        emission = emitter.close()
        if emission.reason is None and sequence.interrupted > _INTERRUPTIONS:
            emission.reason = "length"
        if emission.reason is not None:
            return self._finish(sequence, emission.reason, emission)
        if sequence.speculator is not None:
            sequence.speculator.extend(emission.tokens)
        return _chunk(sequence, emission)

    def _forced(self, sequence: Sequence) -> list[int]:
        """What the grammar forces next: taken for granted where computing it in one go costs nobody else. And the end
        of a reasoning that has lasted long enough."""
        ahead = min(MAX_AHEAD, self._room(sequence))
        if sequence.answer.reasoning and sequence.thoughts_left <= 0:
            return self._end_of_reasoning(sequence, ahead)
        # A draw less, or another spelling of the same text, and a seed would give another answer: that may not depend
        # on who else is there.
        may = sequence.repeatable or len(self._places.running) <= _FEW or self._nobody_watches()
        return sequence.sampler.forced(ahead) if may and ahead > 0 else []

    def _nobody_watches(self) -> bool:
        """Whether all answers are of batch requests: uneven steps hurt nobody then, and fewer of them save a third."""
        return all(sequence.request.priority == "batch" for sequence in self._places.running)

    def _end_of_reasoning(self, sequence: Sequence, room: int) -> list[int]:
        sequence.interrupted += 1
        ends = sequence.thinking.ends if sequence.thinking is not None else ()
        return next((list(end) for end in ends if len(end) <= room and sequence.sampler.take(end)), [])

    def _has_room(self, sequence: Sequence) -> bool:
        return self._room(sequence) > 0 or (self._wants_shift(sequence) and self._shift(sequence))

    def _wants_shift(self, sequence: Sequence) -> bool:
        return sequence.request.context_shift and not sequence.spent

    def _shift(self, sequence: Sequence) -> bool:
        """Forget the older half of what follows the beginning of the prompt."""
        assert sequence.slot is not None
        kept = min(sequence.n_prompt, self.settings.n_ctx // 4)
        count = (sequence.computed - kept) // 2
        if count < 1 or not self._context.shift(sequence.slot, kept, count):
            return False
        del sequence.tokens[kept : kept + count]
        self._cache.forget_after(sequence.slot, kept)
        sequence.computed -= count
        sequence.shifted, sequence.speculator = True, None
        return True

    def _finish(self, sequence: Sequence, reason: FinishReason, last: Emission | None = None) -> Chunk:
        """The final chunk, with what was held back."""
        last = last or Emission()
        rest = sequence.answer.finish()
        last.add(rest)
        last.logprobs += sequence.unplaced if rest.content and not rest.calls else []
        called = reason == "stop" and sequence.answer.calls_ended
        usage, timings = sequence.usage, sequence.timings
        self._remove(sequence)
        end = _chunk(sequence, last)
        return replace(end, finish_reason="tool_calls" if called else reason, usage=usage, timings=timings)

    def _fail(self, sequence: Sequence, error: UmlError) -> Failure:
        sequence.computed = 0  # its cells are undefined
        self._remove(sequence)
        return Failure(sequence.id, error.copy())  # without its traceback, which would hold all that was asked

    def _remove(self, sequence: Sequence) -> None:
        self._places.leave(sequence)
        sequence.sampler.close()


def _chunk(sequence: Sequence, emission: Emission) -> Chunk:
    return Chunk(
        request_id=sequence.id,
        text=emission.text,
        tokens=len(emission.tokens),
        stop_reason=emission.stop_reason,
        logprobs=tuple(emission.logprobs),
        reasoning=emission.reasoning,
        calls=tuple(emission.calls),
    )


def _output(finished: Finished) -> SideResult | Failure:
    result = finished.result
    return Failure(finished.request_id, result) if isinstance(result, UmlError) else result
