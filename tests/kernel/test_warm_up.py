"""`%load_ext jupyter_uml` fetches in the background what the first cell would have to wait for."""

from __future__ import annotations

import ast

import pytest

from tests.conftest import Server
from tests.kernel.conftest import Kernel

LATE = {"anyio", "httpcore2", "httpx2", "markdown_it", "nh3"}
WAIT = """
import sys, threading
for thread in threading.enumerate():
    if "warm-up" in thread.name:
        thread.join()
before = set(sys.modules)
"""


def test_the_first_answer_waits_for_no_imports(server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    kernel = Kernel(server.url, server.token, str(tmp_path_factory.mktemp("kernel")))
    try:
        assert kernel.run(WAIT).status == "ok"
        assert kernel.run("%%uml demo --max-tokens 1\nHello").status == "ok"
        fetched, late = (
            ast.literal_eval(kernel.run(f"print({of})").printed) for of in ("before", "set(sys.modules) - before")
        )
    finally:
        kernel.close()
    assert fetched >= LATE
    assert not LATE & late
