"""The CPU, what llama.cpp was built for, and how many threads there is time for."""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_uml.commands.doctor.facts import Facts, Processor
from jupyter_uml.commands.doctor.finding import Finding, error, note, ok, warning
from jupyter_uml.commands.doctor.rebuilding import rebuild

TOPIC = "Processor"
# llama.cpp's name of an instruction set → Linux' name. Without the first group a model is several times slower.
_IMPORTANT = {"AVX": "avx", "AVX2": "avx2", "FMA": "fma", "F16C": "f16c", "NEON": "asimd", "DOTPROD": "asimddp"}
_USEFUL = {
    "AVX512": "avx512f",
    "AVX512_VNNI": "avx512_vnni",
    "AVX512_BF16": "avx512_bf16",
    "AVX_VNNI": "avx_vnni",
    "AMX_INT8": "amx_int8",
    "MATMUL_INT8": "i8mm",
    "FP16_VA": "asimdhp",
    "SVE": "sve",
}
_X86, _ARM = {"x86_64", "amd64", "i386", "i686"}, {"aarch64", "arm64"}
_WANTED = {"AVX2": "avx2", "FMA": "fma", "F16C": "f16c"}


def check_build(facts: Facts) -> Iterator[Finding]:
    """Whether llama.cpp runs at all, and uses what the CPU can do."""
    build, installation = facts.build, facts.installation
    if build.fault is not None:
        if "SIGILL" in build.fault:
            message = "llama.cpp was built for another CPU: it uses instructions that this one does not have."
            yield error("llama.cpp", message, "Build it anew, on this machine:", rebuild(installation))
        elif installation.llama is not None:  # else `check_llama` says that it is missing
            message = f"llama.cpp cannot be started: {build.fault}."
            yield error("llama.cpp", message, "Install it again:", rebuild(installation))
        return
    can = facts.processor.features
    slow = [name for name, flag in _IMPORTANT.items() if flag in can and name not in build.features]
    less = [name for name, flag in _USEFUL.items() if flag in can and name not in build.features]
    if slow:
        message = f"llama.cpp was built without {_listed(slow)}, which this CPU has: models run several times slower."
        yield warning("llama.cpp", message, "Build it anew, for this CPU:", rebuild(installation))
    elif less:
        message = f"llama.cpp was built without {_listed(less)}, which this CPU has: long prompts take longer."
        yield note("llama.cpp", message, "For the best speed build it anew:", rebuild(installation))
    else:
        used = [name for name in {**_IMPORTANT, **_USEFUL} if name in build.features]
        yield ok("llama.cpp", f"{build.version}, uses {', '.join(used) or 'no special instructions'}")


def check_instructions(facts: Facts) -> Iterator[Finding]:
    """What the CPU itself lacks."""
    processor = facts.processor
    lacking = []
    if processor.architecture.lower() in _X86:
        lacking = [name for name, flag in _WANTED.items() if flag not in processor.features]
    elif processor.architecture.lower() in _ARM:
        lacking = [] if "asimddp" in processor.features else ["DOTPROD"]
    if lacking:
        message = f"The CPU has no {_listed(lacking)}: models run several times slower than on newer ones."
        remedy = (
            "Use small models (up to 4 billion parameters). In a virtual machine, let it have the host's CPU: "
            "`-cpu host` in QEMU, “host-passthrough” in libvirt."
        )
        yield warning(TOPIC, message, remedy)
    else:
        yield ok(TOPIC, f"{processor.name}, {_cores(processor)}")


def check_quota(facts: Facts) -> Iterator[Finding]:
    """A container's share of the CPU that is less than the cores that are there."""
    processor = facts.processor
    if processor.quota is None or processor.quota >= min(processor.cores, processor.allowed):
        return
    threads = "1 thread" if processor.threads == 1 else f"{processor.threads} threads"
    message = f"A container limits this to {processor.quota:g} CPUs, of {_cores(processor)}: models run on {threads}."
    yield warning("Threads", message, "Give it more CPUs (`docker run --cpus`, `CPUQuota=` of systemd).")


def check_threads(facts: Facts) -> Iterator[Finding]:
    """Settings of OpenMP in the environment of a server that is started from here."""
    environment, threads = facts.installation.environment, facts.processor.threads
    for name in ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT"):
        if (limit := environment.get(name, "")).isdigit() and int(limit) < threads:
            message = f"{name}={limit} does not reach the workers: they take {threads} threads."
            yield note("Threads", message, "To use fewer:", f"jupyter uml load MODEL --n-threads {max(1, int(limit))}")
    spin = environment.get("GOMP_SPINCOUNT", "")
    if spin.lower() == "infinite" or (spin.isdigit() and int(spin) > 1_000_000):
        message = f"GOMP_SPINCOUNT={spin}: waiting threads keep their cores busy, which slows notebooks and models."
        yield warning("Threads", message, "Leave it to jupyter_uml:", "unset GOMP_SPINCOUNT")
    if facts.processor.allowed < facts.processor.cores:
        few = f"This process may use {facts.processor.allowed} of {facts.processor.cores} cores."
        yield note("Threads", few, "If that is not meant so, start the server without taskset and CPU sets.")


def _cores(processor: Processor) -> str:
    return "1 core" if processor.cores == 1 else f"{processor.cores} cores"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
