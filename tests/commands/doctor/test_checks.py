"""Each check on made-up machines: its remedy appears where something is wrong, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_uml.commands.doctor.checks import CHECKS, examine
from jupyter_uml.commands.doctor.facts import Card, Facts, ModelFile, RunningServer, Worker
from jupyter_uml.loader.memory.build import Build
from jupyter_uml.loader.memory.machine import Gpu
from tests.commands.doctor.machines import (
    BUILD,
    GIB,
    HEALTHY,
    LAPTOP,
    MINE,
    MODELS,
    STATE,
    estimate,
    spoilt,
    wrong,
)

PIP = "pip install --force-reinstall --no-cache-dir --no-deps --no-binary llama-cpp-python llama-cpp-python==0.3.36"
NATIVE = f'CMAKE_ARGS="-DGGML_NATIVE=on" {PIP}'
CUDA = f'CMAKE_ARGS="-DGGML_CUDA=on" {PIP}'
NVIDIA = Card("NVIDIA", "NVIDIA L4")
GPU_BUILD = replace(BUILD, gpu=True, backends=("CUDA", "CPU"))
OLD = frozenset({"sse3", "avx"})


def model(**changes: object) -> ModelFile:
    return replace(MINE, **changes)  # type: ignore[arg-type]


def test_on_a_machine_in_order_every_part_is_named_and_nothing_is_wrong() -> None:
    found = examine(HEALTHY)
    assert {finding.level for finding in found} == {"ok"}
    assert {finding.topic for finding in found} == {
        *("Processor", "llama.cpp", "GPU", "Memory", "Swap", "Disk", "Models", "Python", "Jupyter", "JupyterLab"),
        "Servers",
    }


# What is wrong, how grave it is, a word of what is said, and a word of the remedy or its command.
CASES: dict[str, tuple[Facts, str, str, str]] = {
    "a CPU without AVX2": (
        spoilt(processor=replace(LAPTOP, features=OLD), build=replace(BUILD, features=frozenset({"AVX"}))),
        *("warning", "no AVX2, FMA and F16C", "host-passthrough"),
    ),
    "a build without what the CPU can": (
        spoilt(build=replace(BUILD, features=frozenset({"AVX", "F16C", "AVX512"}))),
        *("warning", "built without AVX2 and FMA", NATIVE),
    ),
    "a build without AVX-512": (
        spoilt(build=replace(BUILD, features=BUILD.features - {"AVX512"})),
        *("note", "built without AVX512", NATIVE),
    ),
    "a build for another CPU": (
        spoilt(build=Build(fault="it was ended by SIGILL")),
        *("error", "built for another CPU", NATIVE),
    ),
    "a build without a library": (
        spoilt(build=Build(fault="OSError: libcudart.so.12: cannot open shared object file")),
        *("error", "libcudart.so.12", NATIVE),
    ),
    "no llama-cpp-python": (
        spoilt(build=Build(fault="ModuleNotFoundError"), installation=replace(HEALTHY.installation, llama=None)),
        *("error", "not installed", "pip install llama-cpp-python==0.3.36"),
    ),
    "another llama-cpp-python": (
        spoilt("installation", llama="0.4.0"),
        *("warning", "tested with 0.3.36", "pip install llama-cpp-python==0.3.36"),
    ),
    "a small share of the CPU": (
        spoilt("processor", quota=1.5, threads=2),
        *("warning", "limits this to 1.5 CPUs, of 4 cores: models run on 2 threads", "docker run --cpus"),
    ),
    "few cores allowed": (spoilt("processor", allowed=2), "note", "2 of 4 cores", "taskset"),
    "OpenMP pinned": (
        spoilt("installation", environment={"OMP_NUM_THREADS": "1"}),
        *("note", "OMP_NUM_THREADS=1 does not reach", "--n-threads 1"),
    ),
    "endless spinning": (
        spoilt("installation", environment={"GOMP_SPINCOUNT": "infinite"}),
        *("warning", "keep their cores busy", "unset GOMP_SPINCOUNT"),
    ),
    "a GPU and a build without": (spoilt(cards=(NVIDIA,)), "warning", "here (NVIDIA L4), but", CUDA),
    "a GPU, and the toolkit is missing": (spoilt(cards=(NVIDIA,)), "warning", "without GPUs", "the CUDA toolkit"),
    "a GPU of AMD": (
        spoilt(cards=(Card("AMD", "AMD GPU"),)),
        *("warning", "without GPUs", f'CMAKE_ARGS="-DGGML_HIP=on" {PIP}'),
    ),
    "Apple's": (
        spoilt(system="darwin", cards=(Card("Apple", "Apple GPU", integrated=True),)),
        *("warning", "without GPUs", f'CMAKE_ARGS="-DGGML_METAL=on" {PIP}'),
    ),
    "a GPU in the CPU": (
        spoilt(cards=(Card("Intel", "Intel GPU", integrated=True),)),
        *("note", "shares the machine's memory", f'CMAKE_ARGS="-DGGML_VULKAN=on" {PIP}'),
    ),
    "a GPU without a driver": (
        spoilt(cards=(replace(NVIDIA, driver=False),), build=GPU_BUILD),
        *("warning", "driver does not answer", "docker run --gpus all"),
    ),
    "a GPU that is hidden": (
        spoilt(
            cards=(NVIDIA,),
            build=GPU_BUILD,
            installation=replace(HEALTHY.installation, environment={"CUDA_VISIBLE_DEVICES": ""}),
        ),
        *("warning", "CUDA_VISIBLE_DEVICES hides", "unset CUDA_VISIBLE_DEVICES"),
    ),
    "a build for other GPUs": (
        spoilt(cards=(NVIDIA,), build=replace(GPU_BUILD, backends=("Vulkan", "CPU"))),
        *("warning", "built for Vulkan and does not find the NVIDIA L4", CUDA),
    ),
    "a GPU that is full": (
        spoilt(cards=(NVIDIA,), build=GPU_BUILD, gpus=(Gpu("CUDA0", 24 * GIB, GIB),)),
        *("warning", "1.0 GiB of 24.0 GiB free", "nvidia-smi"),
    ),
    "no memory left": (spoilt("memory", available=GIB // 10), "error", "no model can be loaded", "end kernels"),
    "little memory left": (spoilt("memory", available=GIB), "warning", "very small models fit", "end kernels"),
    "a small container": (
        spoilt("memory", limit=3 * GIB),
        *("warning", "limits this to 3.0 GiB of the machine's 32.0 GiB", "docker run --memory"),
    ),
    "a limit of one's own": (
        spoilt("memory", configured=8 * GIB),
        *("note", "together take at most 8.0 GiB", "c.UMLApp.max_model_memory"),
    ),
    "much in swap": (spoilt("memory", swap_used=3 * GIB), "warning", "3.0 GiB of 8.0 GiB of swap", "top -o %MEM"),
    "swapping now": (spoilt("memory", swapped_in=50.0 * (1 << 20)), "warning", "50 MiB a second", "--n-ctx"),
    "no swap": (spoilt("memory", swap=0), "note", "kills a process at once", ""),
    "strict promises": (spoilt("memory", strict=True), "warning", "overcommit_memory=2", "sysctl"),
    "a little address space": (
        spoilt("limits", address_space=GIB),
        *("error", "1.0 GiB of address space", "ulimit -v unlimited"),
    ),
    "some address space": (
        spoilt("limits", address_space=16 * GIB),
        *("warning", "16.0 GiB of address space", "ulimit -v unlimited"),
    ),
    "a limit on data": (spoilt("limits", data=16 * GIB), "warning", "of data", "ulimit -d unlimited"),
    "few open files": (spoilt("limits", files=64), "warning", "64 files", "ulimit -n 4096"),
    "a full disk": (
        spoilt(folders=(replace(MODELS, free=GIB), STATE)),
        *("warning", "has 1.0 GiB left", "du -sh /home/me/models/*"),
    ),
    "a folder that is not there": (
        spoilt(folders=(replace(MODELS, exists=False), STATE)),
        *("warning", "does not exist", "c.UMLApp.model_dirs"),
    ),
    "an unreadable folder": (
        spoilt(folders=(replace(MODELS, readable=False), STATE)),
        *("warning", "cannot be read", "chmod u+rx /home/me/models"),
    ),
    "a folder that cannot be written to": (
        spoilt(folders=(MODELS, replace(STATE, writable=False))),
        *("warning", "Nothing can be written", "chmod u+w /home/me/runtime"),
    ),
    "a disk that hangs": (
        spoilt(folders=(replace(MODELS, answers=False, total=0, free=0), STATE)),
        *("warning", "does not answer", "mounted"),
    ),
    "a home without locks": (
        spoilt(folders=(MODELS, replace(STATE, locks=False))),
        *("warning", "cannot be locked", "JUPYTER_RUNTIME_DIR="),
    ),
    "models on the network": (
        spoilt(folders=(replace(MODELS, network="nfs4"), STATE)),
        *("warning", "on the network (nfs4)", "--model-dir"),
    ),
    "no model at all": (spoilt(models=()), "error", "No model was found", "pull Qwen/Qwen3-4B-GGUF"),
    "only the demo": (spoilt(models=(model(source="demo"),)), "note", "small demo model", "pull Qwen/Qwen3-4B-GGUF"),
    "nothing fits": (
        spoilt(models=(model(estimate=estimate(fits=False, needed=99 * GIB)),)),
        *("error", "not even mine: it needs 99.0 GiB, has 24.0 GiB", "end kernels"),
    ),
    "a broken file": (
        spoilt(models=(MINE, model(id="cut", reason="It ends before its tensors do.", estimate=None, broken=True))),
        *("warning", "cut is broken. It ends before its tensors do.", "Download it again"),
    ),
    "a model of which a part is missing": (
        spoilt(models=(MINE, model(id="half", reason="1 of its 2 files are missing.", estimate=None))),
        *("warning", "half cannot be loaded. 1 of its 2 files are missing.", ""),
    ),
    "a model that makes images": (
        spoilt(models=(MINE, model(id="flux", kind="other", reason="It makes images (flux).", estimate=None))),
        *("note", "flux cannot be loaded. It makes images (flux).", ""),
    ),
    "a model that cannot be planned for": (
        spoilt(models=(MINE, model(id="odd", estimate=None, fault="Its draft model is gone."))),
        *("warning", "odd: Its draft model is gone.", ""),
    ),
    "a profile with a mistake": (
        spoilt(models=(MINE, model(id="french", source="profile", reason="french.toml, line 2: n_ctx must be…"))),
        *("warning", "french.toml, line 2", "/home/me/profiles/french.toml"),
    ),
    "a profile that is called wrongly": (
        spoilt(models=(MINE, model(id="profile/a-b", source="profile", reason="a b.toml: a profile's name may…"))),
        *("warning", "a b.toml: a profile's name", "/home/me/profiles/a b.toml"),
    ),
    "another format": (
        spoilt(models=(MINE, model(id="big", format="safetensors", reason="llama.cpp cannot load it."))),
        *("note", "1 model of other formats (safetensors)", "-GGUF"),
    ),
    "an old Python": (spoilt("installation", python="3.9.1"), "error", "3.9.1 is too old", "Python 3.11"),
    "a small Python": (spoilt("installation", bits=32), "error", "32 bits", "64 bits"),
    "an extension that is disabled": (
        spoilt("installation", extension=False),
        *("warning", "disabled", "jupyter server extension enable jupyter_uml"),
    ),
    "an extension that is not known": (
        spoilt("installation", extension=None),
        *("warning", "does not know jupyter_uml", "jupyter server extension enable jupyter_uml"),
    ),
    "half a sidebar": (spoilt("installation", labextension=False), "warning", "sidebar", "pip install"),
    "no JupyterLab": (spoilt("installation", labextension=None), "note", "not installed here", ""),
    "a clock that is late": (spoilt("installation", clock_behind=9e6), "warning", "104 days behind", "set-ntp"),
    "offline": (spoilt("installation", environment={"HF_HUB_OFFLINE": "1"}), "note", "pulled", "unset HF_HUB_OFFLINE"),
    "no server": (spoilt(servers=()), "note", "None of yours", "jupyter uml"),
    "a named server that is gone": (
        spoilt(servers=(*HEALTHY.servers, RunningServer("http://127.0.0.1:9/uml", named=True))),
        *("warning", "http://127.0.0.1:9/uml, where no jupyter_uml answers", "unset JUPYTER_UML_URL"),
    ),
    "a server of the past": (
        spoilt(servers=(RunningServer("http://127.0.0.1:8000/uml", "0.1"),)),
        *("warning", "runs jupyter_uml 0.1; installed is 1.0", "again"),
    ),
    "lost workers": (
        spoilt(workers=(Worker(77, 3 * GIB), Worker(78, GIB, server=5))),
        *("warning", "outlived", "kill 77"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_once_with_its_remedy(case: str) -> None:
    facts, level, says, remedy = CASES[case]
    [finding] = wrong(facts)
    assert finding.level == level
    assert says in finding.message
    assert remedy in f"{finding.remedy} {finding.command}"


@pytest.mark.parametrize("case", CASES)
def test_a_check_that_finds_something_wrong_is_silent_on_a_machine_in_order(case: str) -> None:
    """And no other check finds anything: each remedy has its place."""
    facts = CASES[case][0]
    found = [check for check in CHECKS if any(finding.level != "ok" for finding in check(facts))]
    assert len(found) == 1
    assert all(finding.level == "ok" for finding in found[0](HEALTHY))


def test_many_broken_files_are_counted() -> None:
    broken = [model(id=f"bad{number}", reason="It is empty.", estimate=None, broken=True) for number in range(9)]
    found = wrong(spoilt(models=(MINE, *broken)))
    assert len(found) == 6
    assert found[-1].message == "4 more files are broken."
    assert found[-1].command == "jupyter uml models"


def test_adapters_and_projectors_are_no_broken_models() -> None:
    rows = (model(id="lora", kind="adapter", reason="It is an adapter."), model(id="eye", kind="projector", reason="…"))
    assert wrong(spoilt(models=(MINE, *rows))) == []


def test_two_gpus_of_one_vendor_want_one_build() -> None:
    assert len(wrong(spoilt(cards=(NVIDIA, NVIDIA)))) == 1


def test_a_gpu_that_is_used_is_in_order() -> None:
    facts = spoilt(cards=(NVIDIA,), build=GPU_BUILD, gpus=(Gpu("CUDA0", 24 * GIB, 23 * GIB),))
    assert wrong(facts) == []
    assert "CUDA0, 23.0 GiB of 24.0 GiB free" in [finding.message for finding in examine(facts)]


def test_an_arm_machine_is_asked_for_what_arm_has() -> None:
    arm = replace(LAPTOP, architecture="aarch64", features=frozenset({"asimd", "asimddp", "i8mm"}))
    build = replace(BUILD, features=frozenset({"NEON", "DOTPROD", "MATMUL_INT8"}))
    assert wrong(spoilt(processor=arm, build=build)) == []
    [finding] = wrong(spoilt(processor=arm, build=replace(build, features=frozenset({"NEON", "MATMUL_INT8"}))))
    assert "built without DOTPROD" in finding.message


def test_a_large_container_is_in_order() -> None:
    assert wrong(spoilt("memory", limit=24 * GIB)) == []
