"""Finds the GPUs of this machine, whether or not anything can use them: on the PCI bus, and what drivers say."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from jupyter_uml.commands.doctor.facts import Card

_DISPLAY = "0x03"  # PCI class of displays; 0x0302 are those that only compute
_VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}  # others only show a picture
_SMALL = 4 << 30  # bytes of own memory below which a GPU of AMD is part of the CPU


def find_cards(root: Path = Path("/")) -> tuple[Card, ...]:
    if sys.platform == "darwin":
        return (Card("Apple", "Apple GPU", integrated=True),) if platform.machine() == "arm64" else ()
    found = tuple(_on_bus(root))
    return found or tuple(_under_windows(root))


def _on_bus(root: Path) -> Iterator[Card]:
    names = list(_nvidia_names(root))
    for device in sorted(root.glob("sys/bus/pci/devices/*")):
        vendor = _VENDORS.get(_text(device / "vendor"), "")
        if not vendor or not _text(device / "class").startswith(_DISPLAY):
            continue
        plain = f"{vendor} GPU ({_text(device / 'vendor')[2:]}:{_text(device / 'device')[2:]})"
        name = names.pop(0) if vendor == "NVIDIA" and names else plain
        yield Card(vendor, name, _has_driver(vendor, root), _is_integrated(vendor, device))


def _under_windows(root: Path) -> Iterator[Card]:
    """Linux in Windows shows no bus, but a device for all GPUs; NVIDIA's library comes with Windows' driver."""
    if (root / "dev/dxg").exists() and any(root.glob("usr/lib/wsl/lib/libcuda.so*")):
        yield Card("NVIDIA", "NVIDIA GPU of Windows")


def _nvidia_names(root: Path) -> Iterator[str]:
    for path in sorted(root.glob("proc/driver/nvidia/gpus/*/information")):
        rows = (line.partition(":") for line in _text(path).splitlines())
        yield next((value.strip() for name, _, value in rows if name.strip() == "Model"), "NVIDIA GPU")


def _has_driver(vendor: str, root: Path) -> bool:
    """Whether its device can be opened by us: a container has it only if it was given to it."""
    match vendor:
        case "NVIDIA":
            devices = list(root.glob("dev/nvidia[0-9]*"))
        case "AMD":
            devices = list(root.glob("dev/kfd"))
        case _:
            devices = list(root.glob("dev/dri/renderD*"))
    return any(os.access(device, os.R_OK | os.W_OK) for device in devices)


def _is_integrated(vendor: str, device: Path) -> bool:
    if vendor == "Intel":
        return device.name.startswith("0000:00:")
    own = _text(device / "mem_info_vram_total")
    return vendor == "AMD" and own.isdigit() and int(own) < _SMALL


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
