"""Moves while llama.cpp computes a graph, and can end that."""

from __future__ import annotations

import ctypes
import threading

import llama_cpp

_UNITS = (1 << 31) - 1  # as many as a semaphore can have
_SEM_BYTES = 256  # a `sem_t` is 32 bytes long, and nowhere longer than this

# Calls so quick that giving the GIL away would cost more than they do.
_libc = ctypes.PyDLL(None)


class Pulse:
    """Of all contexts that it is attached to; one of them computes at a time. Thread-safe.

    Between any two nodes of a graph llama.cpp asks a callback whether to end. A callback in Python would have to wait
    for the GIL, so it is a C function that everybody has: `sem_trywait` takes one of a semaphore's units, and returns
    0, false, until there are none left. The units that are gone count the nodes. Where there are no such semaphores
    (macOS) it is `strlen` of one byte and a zero: 1, true, where the byte is not zero; that counts nothing.
    """

    def __init__(self) -> None:
        self._semaphore = (ctypes.c_uint64 * (_SEM_BYTES // 8))()
        self._lock = threading.Lock()
        self._total = 0
        self.stopped = False
        self.counts = _libc.sem_init(self._semaphore, 0, _UNITS) == 0
        ask = _libc.sem_trywait if self.counts else _libc.strlen
        self._callback = ctypes.cast(ask, llama_cpp.ggml_abort_callback)
        self._left = ctypes.c_int(_UNITS)

    def attach(self, context: llama_cpp.llama_context_p) -> None:
        """The pulse must live as long as the context."""
        llama_cpp.llama_set_abort_callback(context, self._callback, ctypes.cast(self._semaphore, ctypes.c_void_p))

    @property
    def beats(self) -> int:
        """Nodes that were computed so far, a few more or less."""
        with self._lock:
            return self._count()

    def go(self) -> None:
        """What is computed from now on may go on to its end."""
        with self._lock:
            self._count()
            if self.stopped:
                self._set(_UNITS)
                self.stopped = False

    def stop(self) -> None:
        """End what is being computed, within milliseconds, and all that is computed until `go`."""
        with self._lock:
            self._count()
            self._set(0)
            self.stopped = True

    def _count(self) -> int:
        if self.counts and not self.stopped:
            _libc.sem_getvalue(self._semaphore, ctypes.byref(self._left))
            self._total += _UNITS - self._left.value
            if self._left.value < _UNITS:
                self._set(_UNITS)
        return self._total

    def _set(self, units: int) -> None:
        """While units are taken, too: that is done by an atomic exchange, which sees the new number and tries again."""
        if self.counts:
            _libc.sem_init(self._semaphore, 0, units)
        else:
            self._semaphore[0] = int(units == 0)
