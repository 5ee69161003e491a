"""Where no other server is at hand: llama-cpp-python's high-level class in this process, one stream, without HTTP."""

from __future__ import annotations

import random
import time
from functools import lru_cache
from pathlib import Path

import llama_cpp

from tests.bench.peers import Setting
from tests.bench.workloads import SAMPLING, Figures, Scale

IN_PROCESS = "llama-cpp-python, in process"


def directly(setting: Setting, scale: Scale) -> Figures:
    """Tokens a second of one answer, with the prompt's time."""
    llama = _loaded(setting.model.path, setting.n_threads)
    llama.reset()  # type: ignore[no-untyped-call]
    prompt = "".join(random.choices(setting.model.words, k=scale.prompt))
    started = time.perf_counter()
    pieces = list(llama.create_completion(prompt, max_tokens=scale.answer, stream=True, **SAMPLING))
    return {"tokens_per_second": (len(pieces) - 1) / (time.perf_counter() - started)}  # the last piece has no token


@lru_cache(maxsize=1)
def _loaded(path: Path, n_threads: int) -> llama_cpp.Llama:
    return llama_cpp.Llama(str(path), n_ctx=1024, n_threads=n_threads, n_threads_batch=n_threads, verbose=False)
