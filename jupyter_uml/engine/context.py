"""A model's context: KV cache and compute buffers, as llama.cpp sees them. What it would abort on is avoided here."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import llama_cpp
import numpy as np
import numpy.typing as npt

from jupyter_uml.engine import llama_log
from jupyter_uml.engine.model import KV_TYPES, Model
from jupyter_uml.engine.pulse import Pulse
from jupyter_uml.errors import EngineError, InvalidRequest, ModelLoadFailed
from jupyter_uml.types import EffectiveSettings

BATCH = 512  # tokens in one llama_decode, at most
_SCORES_BYTES = 64 << 20  # attention scores of a batch; a batch is made smaller rather than this larger
_SMALLEST_BATCH = 64  # tokens; on a CPU more of them at once are hardly faster
FILLED = 3  # idle slots between two busy ones that are decoded with them
_REFUSED = -1  # before anything was done
_ABORTED = 2  # llama_decode's status when the abort callback said so

Logits = npt.NDArray[np.float32]  # (n_vocab,)

# Quick calls keep the GIL: a busy Python thread would make each wait up to 5 ms to have it back.
_quick = ctypes.PyDLL(llama_cpp.llama_cpp._lib._name)
_logits_ith = _quick.llama_get_logits_ith
_logits_ith.argtypes, _logits_ith.restype = [ctypes.c_void_p, ctypes.c_int32], ctypes.c_void_p
_seq_rm = _quick.llama_memory_seq_rm
_seq_rm.argtypes, _seq_rm.restype = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32, ctypes.c_int32], ctypes.c_bool


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens of one sequence in a batch. The last `n_logits` of them are to be sampled from."""

    slot: int
    start: int  # position of the first token
    tokens: list[int]
    n_logits: int


@dataclass(frozen=True, slots=True, eq=False)
class ImageRow:
    """Embeddings that stand in the place of tokens. `causal`: each sees only itself and those before it."""

    slot: int
    positions: npt.NDArray[np.int32]  # (dimensions, count); more than one dimension for M-RoPE
    embeddings: npt.NDArray[np.float32]  # (count, width)
    causal: bool


class Threads(NamedTuple):
    """How many compute the next tokens of answers, and how many prompts."""

    decode: int
    prefill: int


class Context:
    """One stream of `n_ctx` tokens for each of `n_parallel` slots.

    `n_ahead`: how many rows beside one for each slot may be sampled from in a batch. `n_whole`: tokens that must have
    room in one batch. Only `stop` may be called from another thread than the one that decodes.

    Raises:
        InvalidRequest: the batch that was asked for is too small.
        ModelLoadFailed: llama.cpp makes no such context.
    """

    def __init__(self, model: Model, settings: EffectiveSettings, n_ahead: int = 0, n_whole: int = 0) -> None:
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = settings.n_ctx * settings.n_parallel
        params.n_seq_max = settings.n_parallel
        flash = settings.n_gpu_layers != 0 or settings.kv_type != "f16"
        params.flash_attn_type = (
            llama_cpp.LLAMA_FLASH_ATTN_TYPE_AUTO if flash else llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        )
        room = _asked_batch(settings) or (BATCH if flash else _batch(model, settings.n_ctx))
        params.n_batch = params.n_ubatch = min(params.n_ctx, max(n_whole, room))
        params.n_outputs_max = settings.n_parallel + n_ahead  # keeps the logits buffer small
        self.threads = Threads(settings.n_threads, settings.n_threads_batch or settings.n_threads)
        params.n_threads = params.n_threads_batch = self._n_threads = self.threads.decode
        params.type_k = params.type_v = KV_TYPES[settings.kv_type][0]
        params.kv_unified = False
        llama_log.forget()
        self.handle = llama_cpp.llama_init_from_model(model.handle, params)
        if not self.handle:
            raise ModelLoadFailed(f"{model.spec.id}: no context could be made: {llama_log.first_error()}.")
        self.n_ctx, self.n_vocab = settings.n_ctx, model.n_vocab
        self.batch_tokens = int(params.n_batch)
        self.cuttable = not (
            llama_cpp.llama_model_is_recurrent(model.handle) or llama_cpp.llama_model_is_hybrid(model.handle)
        )
        self.states_cuttable = self.cuttable and not llama_cpp.llama_model_n_swa(model.handle)
        self.moving: set[int] = set()
        self._shifting = False
        self._memory = llama_cpp.llama_get_memory(self.handle)
        self._buffers = _BatchBuffers(self.batch_tokens)
        model.pulse.attach(self.handle)
        self._stop = _StopFlag(model.pulse)

    def close(self) -> None:
        if self.handle:
            llama_cpp.llama_free(self.handle)
            self.handle = None

    # --- computing ---

    def decode(
        self, rows: Sequence[Row], interruptible: Collection[str] = (), idle: Collection[int] = ()
    ) -> list[Logits] | None:
        """Run one batch; returns the logits to sample from, row by row. They are llama.cpp's own memory: the next
        decode overwrites them. None: `stop` was called for one of `interruptible`; `computed` says how far it came.

        llama.cpp computes rows of neighbouring slots, in ascending order, together, and reads all weights again after
        each hole. A row more is much cheaper, so slots of `idle` fill small holes; they keep what they hold.

        Raises:
            EngineError: llama.cpp refused the batch; the cells of its rows are undefined.
        """
        self._use_threads(prefill=any(row.n_logits < len(row.tokens) for row in rows))
        fillers = self._fillers(rows, idle) if idle and self.cuttable else []
        batch, sampled = self._buffers.fill(sorted([*rows, *fillers], key=_by_slot) if fillers else rows)
        status = self._run(batch, interruptible)
        for row in fillers:
            self.keep(row.slot, row.start)
        if not self._finished(status, [row.slot for row in rows]):
            return None
        return [self._logits(index) for index in sampled]

    def decode_image(self, row: ImageRow, interruptible: Collection[str] = ()) -> bool:
        """Run the rows of an image, at most a batch's worth. False: `stop` was called; some of them may be computed.

        Raises:
            EngineError: llama.cpp refused the batch; the cells of its rows are undefined.
        """
        self._use_threads(prefill=True)
        batch = self._buffers.fill_image(row)
        llama_cpp.llama_set_causal_attn(self.handle, row.causal)
        try:
            status = self._run(batch, interruptible)
        finally:
            llama_cpp.llama_set_causal_attn(self.handle, True)
        return self._finished(status, [row.slot])

    def _use_threads(self, *, prefill: bool) -> None:
        """llama.cpp takes each batch of more than one token for a part of a prompt, also the next tokens of answers."""
        count = self.threads.prefill if prefill else self.threads.decode
        if count != self._n_threads:
            llama_cpp.llama_set_n_threads(self.handle, count, count)
            self._n_threads = count

    def _run(self, batch: llama_cpp.llama_batch, interruptible: Collection[str]) -> int:
        # A shift of cells is part of this decode: cut short, it would be done twice.
        with self._stop.listening(() if self._shifting else interruptible):
            status = int(llama_cpp.llama_decode(self.handle, batch))
        self._shifting = False
        if status != _REFUSED:
            self.moving.clear()
        return status

    def _finished(self, status: int, slots: Iterable[int]) -> bool:
        """Whether a batch was computed to its end."""
        if status == _ABORTED:
            if not self.cuttable:  # a recurrent state was overwritten in part, and llama.cpp does not say so
                for slot in slots:
                    self.keep(slot, 0)
            return False
        if status != 0:
            raise EngineError(f"llama.cpp could not compute this batch (status {status}).", status=status)
        return True

    def stop(self, name: str) -> None:
        """End the `decode` that listens to this name, now or the next, within milliseconds. For another thread."""
        self._stop.call(name)

    def stopped(self, name: str) -> None:
        """What `stop` was called for has been done: forget the name."""
        self._stop.forget(name)

    def computed(self, slot: int) -> int:
        """How many tokens the slot's cells hold."""
        return int(llama_cpp.llama_memory_seq_pos_max(self._memory, slot)) + 1

    def _fillers(self, rows: Sequence[Row], idle: Collection[int]) -> list[Row]:
        holes = ((first.slot + 1, second.slot) for first, second in pairwise(rows))
        slots = [slot for begin, end in holes if end - begin <= FILLED for slot in range(begin, end)]
        starts = {slot: self.computed(slot) for slot in slots if slot in idle}
        fillers = [Row(slot, start, [0], 0) for slot, start in starts.items() if start < self.n_ctx]
        return fillers[: self.batch_tokens - sum(len(row.tokens) for row in rows)]

    def _logits(self, index: int) -> Logits:
        address = _logits_ith(self.handle, index)
        return np.ctypeslib.as_array((ctypes.c_float * self.n_vocab).from_address(address))

    # --- cells ---

    def keep(self, slot: int, count: int) -> int:
        """Forget all but the first `count` tokens of a slot; returns how many are kept (0 where a model can't cut)."""
        if _seq_rm(self._memory, slot, count, -1):
            return count
        _seq_rm(self._memory, slot, -1, -1)
        return 0

    def copy(self, source: int, target: int) -> None:
        """All cells of a slot; the bytes follow with the next decode."""
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)
        self.moving |= {source, target}

    def save(self, slot: int) -> npt.NDArray[np.uint8] | None:
        size = llama_cpp.llama_state_seq_get_size(self.handle, slot)
        state = np.empty(size, np.uint8)
        written = llama_cpp.llama_state_seq_get_data(self.handle, _bytes_pointer(state), size, slot)
        return state if written == size else None

    def load(self, slot: int, state: npt.NDArray[np.uint8] | memoryview | bytes) -> bool:
        """Replace a slot's cells by saved ones; False if llama.cpp does not take them, and the slot is empty then."""
        data = np.frombuffer(state, np.uint8)
        self.keep(slot, 0)
        if llama_cpp.llama_state_seq_set_data(self.handle, _bytes_pointer(data), data.size, slot):
            return True
        self.keep(slot, 0)
        return False

    def shift(self, slot: int, start: int, count: int) -> bool:
        """Forget `count` tokens from position `start`, and move the later ones there; False where a model can't."""
        if not (self.cuttable and llama_cpp.llama_memory_can_shift(self._memory)):
            return False
        _seq_rm(self._memory, slot, start, start + count)
        llama_cpp.llama_memory_seq_add(self._memory, slot, start + count, -1, -count)
        self._shifting = True
        return True


def _asked_batch(settings: EffectiveSettings) -> int:
    """Tokens; 0: it was not said how many."""
    least = max(_SMALLEST_BATCH, settings.n_parallel)  # a token of every sequence has to have room
    if 0 < settings.n_batch < least:
        raise InvalidRequest(f"n_batch must be {least} or more, not {settings.n_batch}.", param="n_batch")
    return settings.n_batch


def _batch(model: Model, n_ctx: int) -> int:
    """Tokens in a batch without flash attention, which is not used on a CPU: there it decodes eight answers behind
    1,500 tokens in twice the time (it prefills them in 0.88 of it). Scores take heads × batch × context floats."""
    heads = max(1, int(llama_cpp.llama_model_n_head(model.handle)))
    room = _SCORES_BYTES // (4 * heads * n_ctx)
    return max(_SMALLEST_BATCH, min(BATCH, room // 64 * 64))


class _StopFlag:
    """Ends a running `llama_decode` from another thread, where it listens to a name that was called."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._lock = threading.Lock()
        self._called: set[str] = set()
        self._names: Collection[str] = ()

    @contextmanager
    def listening(self, names: Collection[str]) -> Iterator[None]:
        with self._lock:
            self._names = names
            if not self._called.isdisjoint(names):
                self._pulse.stop()
        try:
            yield
        finally:
            with self._lock:
                self._names = ()
                if self._pulse.stopped:  # a call ends one decode; what to do then is its caller's business
                    self._called.difference_update(names)
                self._pulse.go()

    def call(self, name: str) -> None:
        with self._lock:
            self._called.add(name)
            if name in self._names:
                self._pulse.stop()

    def forget(self, name: str) -> None:
        with self._lock:
            self._called.discard(name)


def _by_slot(row: Row) -> int:
    return row.slot


def _bytes_pointer(array: npt.NDArray[np.uint8]) -> ctypes.Array[ctypes.c_uint8]:
    return ctypes.cast(array.ctypes.data, ctypes.POINTER(ctypes.c_uint8))  # type: ignore[return-value]


class _BatchBuffers:
    """The arrays behind a `llama_batch`. They are numpy's, so `llama_batch_free` must never see them."""

    def __init__(self, room: int) -> None:
        self._token = np.zeros(room, np.int32)
        self._pos = np.zeros(room, np.int32)
        self._n_seq = np.ones(room, np.int32)
        self._seq = np.zeros(room, np.int32)
        self._logits = np.zeros(room, np.int8)
        step = self._seq.itemsize
        self._seq_pointers = (ctypes.POINTER(llama_cpp.llama_seq_id) * room)(
            *(
                ctypes.cast(self._seq.ctypes.data + i * step, ctypes.POINTER(llama_cpp.llama_seq_id))
                for i in range(room)
            )
        )

    def fill_image(self, row: ImageRow) -> llama_cpp.llama_batch:
        """None of its rows is sampled from. The row's arrays must outlive the batch."""
        count = len(row.embeddings)
        self._seq[:count] = row.slot
        self._logits[:count] = 0
        return llama_cpp.llama_batch(
            n_tokens=count,
            token=None,
            embd=row.embeddings.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
            pos=row.positions.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_pos)),
            n_seq_id=self._n_seq.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)),
            seq_id=self._seq_pointers,
            logits=self._logits.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def fill(self, rows: Iterable[Row]) -> tuple[llama_cpp.llama_batch, list[int]]:
        end, sampled = 0, list[int]()
        for row in rows:
            begin, end = end, end + len(row.tokens)
            self._token[begin:end] = row.tokens
            self._pos[begin:end] = np.arange(row.start, row.start + len(row.tokens))
            self._seq[begin:end] = row.slot
            self._logits[begin:end] = 0
            self._logits[end - row.n_logits : end] = 1
            sampled += range(end - row.n_logits, end)
        return llama_cpp.llama_batch(
            n_tokens=end,
            token=self._token.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token)),
            embd=None,
            pos=self._pos.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_pos)),
            n_seq_id=self._n_seq.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)),
            seq_id=self._seq_pointers,
            logits=self._logits.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        ), sampled
