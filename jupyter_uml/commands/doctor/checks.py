"""All checks, in the order in which they are told. Each is pure: the same facts, the same findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from jupyter_uml.commands.doctor.facts import Facts
from jupyter_uml.commands.doctor.file_checks import check_disks, check_folders, check_network
from jupyter_uml.commands.doctor.finding import Finding
from jupyter_uml.commands.doctor.gpu_checks import check_gpus
from jupyter_uml.commands.doctor.installation_checks import (
    check_clock,
    check_extension,
    check_labextension,
    check_llama,
    check_offline,
    check_python,
)
from jupyter_uml.commands.doctor.memory_checks import (
    check_available,
    check_configured,
    check_container,
    check_limits,
    check_overcommit,
    check_swap,
)
from jupyter_uml.commands.doctor.model_checks import (
    check_broken,
    check_failing,
    check_fitting,
    check_found,
    check_other_formats,
    check_profiles,
    check_unsuited,
)
from jupyter_uml.commands.doctor.processor_checks import check_build, check_instructions, check_quota, check_threads
from jupyter_uml.commands.doctor.server_checks import check_servers, check_workers

CHECKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    *(check_instructions, check_build, check_llama, check_quota, check_threads),
    *(check_gpus, check_available, check_container, check_configured, check_swap, check_overcommit, check_limits),
    *(check_disks, check_folders, check_network),
    *(check_found, check_fitting, check_broken, check_unsuited, check_failing, check_profiles, check_other_formats),
    *(check_python, check_extension, check_labextension, check_clock, check_offline),
    *(check_servers, check_workers),
)


def examine(facts: Facts) -> list[Finding]:
    return [finding for check in CHECKS for finding in check(facts)]
