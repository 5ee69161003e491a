"""Reads model files for `inspector.py`, in a process of its own: python -P -m jupyter_uml.loader.catalog.file_reader

A request is a line of JSON on stdin, `{"want": "facts" | "header" | "sha256", "path"}`; its answer a line on stdout:
`{"result": …}`, `{"broken": reason}` or `{"failed": errno}`. An empty line comes first. It ends with its stdin.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from jupyter_uml.loader.catalog.file_facts import facts_of
from jupyter_uml.loader.catalog.gguf_file import BrokenFile, read_gguf

MEMORY = 1 << 30  # bytes that this process may take, whatever a file makes it do
_BLOCK = 4 << 20


def main() -> None:
    _limit_memory()
    print(flush=True)  # ready
    for line in sys.stdin.buffer:
        print(json.dumps(_answer(json.loads(line))), flush=True)


def _answer(request: dict[str, str]) -> dict[str, Any]:
    try:
        return {"result": _READERS[request["want"]](request["path"])}
    except BrokenFile as error:
        return {"broken": error.reason}
    except OSError as error:
        return {"failed": error.errno or 0}
    except (MemoryError, RecursionError):
        return {"broken": "The file asks for more memory than any header needs: it is damaged."}


def _facts(path: str) -> dict[str, Any]:
    return facts_of(read_gguf(path)).to_dict()


def _header(path: str) -> dict[str, Any]:
    file = read_gguf(path)
    tensors = [(each.name, each.shape, each.type, each.n_bytes, each.offset) for each in file.tensors]
    return {"size": file.size, "metadata": dict(file.metadata), "tensors": tensors}


def _sha256(path: str) -> str:
    """Takes seconds for each gigabyte; ends when whoever asked is gone."""
    with contextlib.suppress(OSError, AttributeError):  # not on every system
        os.nice(19)
    parent = os.getppid()
    digest, block = hashlib.sha256(), bytearray(_BLOCK)
    with open(path, "rb", buffering=0) as file:
        while n := file.readinto(block):
            digest.update(memoryview(block)[:n])
            if os.getppid() != parent:
                sys.exit()
    return digest.hexdigest()


_READERS: dict[str, Callable[[str], Any]] = {"facts": _facts, "header": _header, "sha256": _sha256}


def _limit_memory() -> None:
    with contextlib.suppress(OSError, ImportError, ValueError):  # not on every system
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    main()
