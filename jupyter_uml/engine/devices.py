"""The devices that llama.cpp could compute on beside the CPU, and their memory, as it reports them.

`python -m jupyter_uml.engine.devices` prints them as JSON. It runs in a process of its own: asking a GPU's driver
takes memory and time, and may hang or crash.
"""

from __future__ import annotations

import ctypes
import json

import llama_cpp

_GPU, _INTEGRATED = 1, 2  # ggml-backend.h: enum ggml_backend_dev_type


def devices() -> list[dict[str, str | int]]:
    """Name, and bytes in all and free, of each GPU."""
    llama_cpp.llama_backend_init()
    library = llama_cpp.llama_cpp._lib
    library.ggml_backend_dev_count.restype = ctypes.c_size_t
    library.ggml_backend_dev_get.restype = ctypes.c_void_p
    library.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    handles = [library.ggml_backend_dev_get(index) for index in range(library.ggml_backend_dev_count())]
    return [_described(library, handle) for handle in handles if _kind(library, handle) in (_GPU, _INTEGRATED)]


def _kind(library: ctypes.CDLL, device: int) -> int:
    library.ggml_backend_dev_type.restype = ctypes.c_int
    library.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    return int(library.ggml_backend_dev_type(device))


def _described(library: ctypes.CDLL, device: int) -> dict[str, str | int]:
    library.ggml_backend_dev_name.restype = ctypes.c_char_p
    library.ggml_backend_dev_name.argtypes = [ctypes.c_void_p]
    library.ggml_backend_dev_memory.restype = None
    size = ctypes.POINTER(ctypes.c_size_t)
    library.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, size, size]
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    library.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
    name = library.ggml_backend_dev_name(device).decode(errors="replace")
    return {"name": name, "total": total.value, "free": free.value}


if __name__ == "__main__":
    print(json.dumps(devices()))
