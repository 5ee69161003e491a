"""The command that builds llama.cpp anew for this machine."""

from __future__ import annotations

from jupyter_uml.commands.doctor.facts import Installation

_PIP = "pip install --force-reinstall --no-cache-dir --no-deps --no-binary llama-cpp-python llama-cpp-python"
# By vendor: the switch of llama.cpp's build, the tool that it needs, and what brings that tool.
BACKENDS = {
    "NVIDIA": ("-DGGML_CUDA=on", "nvcc", "the CUDA toolkit"),
    "AMD": ("-DGGML_HIP=on", "hipcc", "ROCm"),
    "Intel": ("-DGGML_VULKAN=on", "glslc", "the Vulkan SDK"),
    "Apple": ("-DGGML_METAL=on", "c++", "Xcode's command line tools"),
}


def rebuild(installation: Installation, switches: str = "-DGGML_NATIVE=on") -> str:
    version = f"=={installation.tested}" if installation.tested else ""
    return f'CMAKE_ARGS="{switches}" {_PIP}{version}'


def rebuild_for(installation: Installation, vendor: str) -> str:
    return rebuild(installation, BACKENDS[vendor][0])


def reinstall(installation: Installation) -> str:
    """The version that is tested, however it was built."""
    version = f"=={installation.tested}" if installation.tested else ""
    return f"pip install llama-cpp-python{version}"
