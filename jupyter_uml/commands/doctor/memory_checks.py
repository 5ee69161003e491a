"""RAM, what a container leaves of it, swap, and limits on processes."""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_uml.commands.doctor.facts import Facts
from jupyter_uml.commands.doctor.finding import Finding, error, note, ok, warning
from jupyter_uml.loader.memory.fit import readable

TOPIC = "Memory"
_CONFIGURED = "To change that: c.UMLApp.max_model_memory in jupyter_server_config.py."
_LEAST, _LITTLE = 256 << 20, 2 << 30  # bytes: with less nothing but the demo runs, with less only tiny models do
_SMALL_SHARE, _SMALL = 0.5, 4 << 30  # of the machine's RAM, and bytes, below which a container is small
_SWAP_USED = 512 << 20  # bytes
_SWAPPING = 4 << 20  # bytes a second
_FEWEST_FILES = 256


def check_available(facts: Facts) -> Iterator[Finding]:
    memory = facts.memory
    total = min(memory.ram, memory.limit or memory.ram)
    figures = f"{readable(memory.available)} of {readable(total)}"
    if memory.available < _LEAST:
        message = f"Only {figures} of memory are free: no model can be loaded."
        yield error(TOPIC, message, "Unload models, end kernels that hold much, or close other programs.")
    elif memory.available < _LITTLE:
        message = f"Only {figures} of memory are free: very small models fit."
        yield warning(TOPIC, message, "Unload models, end kernels that hold much, or close other programs.")
    else:
        yield ok(TOPIC, f"{figures} free")


def check_container(facts: Facts) -> Iterator[Finding]:
    """A cgroup's limit: beyond it the kernel kills processes, whatever the machine has."""
    memory = facts.memory
    if memory.limit is None or memory.limit >= memory.ram:
        return
    message = f"A container limits this to {readable(memory.limit)} of the machine's {readable(memory.ram)} of memory"
    if memory.limit < _SMALL_SHARE * memory.ram or memory.limit < _SMALL:
        remedy = (
            "Models have to fit into that. To raise it: `docker run --memory`, `MemoryMax=` of systemd, "
            "`resources.limits.memory` of Kubernetes, `Spawner.mem_limit` of JupyterHub."
        )
        yield warning("Container", f"{message}.", remedy)
    else:
        yield ok("Container", message)


def check_configured(facts: Facts) -> Iterator[Finding]:
    limit = facts.memory.configured
    if limit is not None and limit < facts.memory.ram:
        yield note(TOPIC, f"As configured, all models together take at most {readable(limit)}.", _CONFIGURED)


def check_swap(facts: Facts) -> Iterator[Finding]:
    memory = facts.memory
    if memory.swapped_in > _SWAPPING:
        message = f"The machine is swapping ({readable(int(memory.swapped_in))} a second come back): all is slow."
        yield warning("Swap", message, "Unload models or load them with a smaller --n-ctx; end what takes much memory.")
    elif memory.swap_used > _SWAP_USED:
        message = f"{readable(memory.swap_used)} of {readable(memory.swap)} of swap are in use."
        yield warning("Swap", message, "What lies there is slow to come back. See what takes memory: `top -o %MEM`.")
    elif not memory.swap and facts.system == "linux":
        yield note("Swap", "There is none: when memory runs out, the kernel kills a process at once.")
    else:
        yield ok("Swap", f"{readable(memory.swap)}, hardly used")


def check_overcommit(facts: Facts) -> Iterator[Finding]:
    if facts.memory.strict:
        message = "The kernel promises no more memory than there is (vm.overcommit_memory=2): loads may fail early."
        yield warning(TOPIC, message, "Let it promise more:", "sudo sysctl vm.overcommit_memory=0")


def check_limits(facts: Facts) -> Iterator[Finding]:
    """Files are mapped: a limit on address space counts the whole of a model, not what is in memory."""
    limits, memory = facts.limits, facts.memory
    for name, flag, value in (
        ("address space", "-v", limits.address_space),
        ("data", "-d", limits.data),
    ):
        if value is None:
            continue
        message = f"ulimit {flag} allows {readable(value)} of {name} to a process: larger models cannot be loaded."
        finding = error if value < _LITTLE else warning
        if value < memory.ram:
            yield finding("Limits", message, "Before the server is started:", f"ulimit {flag} unlimited")
    if limits.files is not None and limits.files < _FEWEST_FILES:
        message = f"A process may have {limits.files} files open: a server with many clients needs more."
        yield warning("Limits", message, "Before the server is started:", "ulimit -n 4096")
