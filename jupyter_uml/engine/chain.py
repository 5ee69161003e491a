"""llama.cpp's samplers, run over candidates that lie in numpy's memory.

Each call takes microseconds, so it keeps the GIL (`PyDLL`): giving it up, a call would wait for up to 5 ms to get it
back from a busy Python thread.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

Candidates = npt.NDArray[np.void]
TOKEN = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])  # llama_token_data


class _Array(ctypes.Structure):
    """llama_token_data_array"""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("selected", ctypes.c_int64),
        ("sorted", ctypes.c_bool),
    )


_Handle = llama_cpp.llama_sampler_p_ctypes
_library = ctypes.PyDLL(llama_cpp.llama_cpp._lib._name)
_apply, _accept = _library.llama_sampler_apply, _library.llama_sampler_accept
_apply.argtypes, _apply.restype = [_Handle, ctypes.POINTER(_Array)], None
_accept.argtypes, _accept.restype = [_Handle, llama_cpp.llama_token], None


def candidates(ids: npt.NDArray[np.intp], logits: npt.NDArray[np.float32]) -> Candidates:
    """The tokens `ids` with their logits."""
    tokens = np.empty(len(ids), TOKEN)
    tokens["id"] = ids
    tokens["logit"] = logits[ids]
    return tokens


class Chain:
    """Owns `samplers` and runs them in their order."""

    def __init__(self, samplers: Iterable[Any]) -> None:
        params = llama_cpp.llama_sampler_chain_default_params()
        params.no_perf = True
        self._handle = llama_cpp.llama_sampler_chain_init(params)
        for sampler in samplers:
            llama_cpp.llama_sampler_chain_add(self._handle, sampler)

    def change(self, tokens: Candidates) -> None:
        """Run samplers that change logits and choose none."""
        _apply(self._handle, _Array(tokens.ctypes.data, len(tokens), -1, False))

    def draw(self, tokens: Candidates, is_sorted: bool, likeliest: int) -> int:
        """Run samplers of which the last one chooses; `is_sorted`: the likeliest candidate comes first."""
        start = tokens.ctypes.data
        array = _Array(start, len(tokens), -1, is_sorted)
        _apply(self._handle, array)
        place = (array.data - start) // TOKEN.itemsize + array.selected  # XTC moves the beginning
        probability = tokens["p"][place]
        # A dynamic temperature can come so close to 0 that logits divided by it overflow.
        return likeliest if np.isnan(probability) else int(tokens["id"][place])

    def accept(self, token: int) -> None:
        _accept(self._handle, token)

    def close(self) -> None:
        if self._handle:
            llama_cpp.llama_sampler_free(self._handle)
            self._handle = None
