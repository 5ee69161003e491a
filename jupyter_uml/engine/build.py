"""What the installed llama.cpp was built with: instructions of the CPU that it uses, and backends for GPUs.

`python -m jupyter_uml.engine.build` prints it as JSON. It runs in a process of its own: a build for another CPU ends
with an illegal instruction, and one for GPUs may lack a library.
"""

from __future__ import annotations

import ctypes
import json
from typing import TypedDict

import llama_cpp

from jupyter_uml import __version__

# Of `features`: not an instruction that computes, but how rows are shared out.
_NOT_ROUNDING = {"OPENMP"}


class Build(TypedDict):
    version: str
    features: list[str]
    backends: list[str]
    gpu: bool


def build() -> Build:
    """`features` as llama.cpp names them, such as `AVX2`; `backends` such as `CPU` and `CUDA`."""
    llama_cpp.llama_backend_init()
    return {
        "version": llama_cpp.__version__,
        "features": features(llama_cpp.llama_print_system_info().decode(errors="replace")),
        "backends": _backends(llama_cpp.llama_cpp._lib),
        "gpu": bool(llama_cpp.llama_supports_gpu_offload()),
    }


def signature() -> str:
    """What computes, in a line: with the same line, file, settings and request, the same numbers come out.

    `llama-cpp-python 0.3.36, jupyter_uml 0.1.0, CPU (AVX2, FMA)`. Only after a model has been loaded without harm.
    """
    found = build()
    rounding = ", ".join(sorted(set(found["features"]) - _NOT_ROUNDING))
    backends = ", ".join(f"CPU ({rounding})" if name == "CPU" else name for name in found["backends"])
    return f"llama-cpp-python {found['version']}, jupyter_uml {__version__}, {backends}"


def features(text: str) -> list[str]:
    """Those of the CPU that are on, from a text such as `CUDA : ARCHS = 890 | CPU : AVX2 = 1 | FMA = 0 | `."""
    backend, found = "", []
    for part in text.split("|"):
        name, _, value = part.partition("=")
        if ":" in name:
            backend, _, name = name.partition(":")
        if backend.strip() == "CPU" and value.strip() not in ("", "0"):
            found.append(name.strip())
    return found


def _backends(library: ctypes.CDLL) -> list[str]:
    library.ggml_backend_reg_count.restype = ctypes.c_size_t
    library.ggml_backend_reg_get.restype = ctypes.c_void_p
    library.ggml_backend_reg_get.argtypes = [ctypes.c_size_t]
    library.ggml_backend_reg_name.restype = ctypes.c_char_p
    library.ggml_backend_reg_name.argtypes = [ctypes.c_void_p]
    handles = [library.ggml_backend_reg_get(index) for index in range(library.ggml_backend_reg_count())]
    return [library.ggml_backend_reg_name(handle).decode(errors="replace") for handle in handles]


if __name__ == "__main__":
    print(json.dumps(build()))
