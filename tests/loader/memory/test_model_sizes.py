"""Which sizes of models a machine runs, from its memory alone."""

from __future__ import annotations

import pytest

from jupyter_uml.loader.memory.machine import Gpu, Machine, total_memory
from jupyter_uml.loader.memory.model_sizes import CONTEXT, fits_this_machine, runnable_sizes

GIB = 1 << 30


@pytest.mark.parametrize(
    ("gigabytes", "billions"),
    [(1, (0, 0, 0)), (8, (8, 4, 1.7)), (16, (24, 8, 4)), (64, (70, 32, 32))],
)
def test_more_memory_and_fewer_bits_run_larger_models(gigabytes: int, billions: tuple[float, ...]) -> None:
    machine = Machine(gigabytes * GIB, gigabytes * GIB, features=frozenset({"avx2"}))
    sizes = runnable_sizes(machine)
    assert tuple(size.billions for size in sizes) == billions
    assert all(size.n_ctx == CONTEXT and size.weights < gigabytes * GIB for size in sizes)


def test_the_context_takes_its_share() -> None:
    machine = Machine(16 * GIB, 16 * GIB)
    assert runnable_sizes(machine, 1 << 16)[0].billions < runnable_sizes(machine, 1024)[0].billions


def test_on_a_gpu_a_model_has_to_fit_as_a_whole() -> None:
    gpus = (Gpu("CUDA0", 24 * GIB, 23 * GIB),)
    size = runnable_sizes(Machine(64 * GIB, 60 * GIB, gpus))[0]
    assert (size.billions, size.on_gpu) == (120, 32)


def test_a_file_leaves_room_for_its_context() -> None:
    assert fits_this_machine(total_memory() // 2)
    assert not fits_this_machine(total_memory())
