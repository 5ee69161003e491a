"""Tab, as JupyterLab asks the kernel for it."""

from __future__ import annotations

import threading
import time

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from jupyter_uml.client import UniversalClient
from jupyter_uml.kernel import known_models
from jupyter_uml.kernel.known_models import KnownModels
from tests.client.stub_server import Reply, StubServer, model_row
from tests.conftest import wait_until
from tests.kernel.conftest import Kernel


@pytest.mark.parametrize(
    ("code", "offered", "not_offered"),
    [
        ("%uml ", ["models", "load", "help", "set"], ["demo", "--n-ctx"]),
        ("%uml lo", ["load"], ["models"]),
        ("  %uml load ", ["demo", "endless", "--n-ctx"], ["load"]),
        ("%uml load en", ["endless"], ["demo"]),
        ("%uml load demo --n-ctx 512 --n", ["--n-parallel"], ["--n-ctx", "--pin"]),
        ("%uml load demo --kv-type q", ["q8_0", "q4_0"], ["f16"]),
        ("%uml estimate demo --draft-model ", ["endless"], ["--n-ctx"]),
        ("%uml set ", ["temperature", "cache"], ["demo"]),
        ("%uml set cache ", ["auto", "off"], []),
        ("%uml help l", ["load"], ["models"]),
        ("%uml profile ", ["save", "delete"], []),
        ("%uml profile save brief ", ["demo"], []),
        ("%%uml ", ["demo", "fix", "explain", "--chat"], ["load"]),
        ("%%uml d", ["demo"], ["endless"]),
        ("%%uml demo ", ["--temperature"], ["endless", "fix"]),
        ("%%uml demo --temperature 1 --te", [], ["--temperature"]),
        ("%%uml --reasoning ", ["low", "high"], ["demo", "--chat"]),
        ("%%uml --tools kn", ["known_function"], []),
        ("%%uml --tools known_function,kn", ["known_function,known_function"], []),
        ("%%uml --schema Kn", ["KnownType"], []),
        ('%%uml --system "Be bri', [], ["demo"]),
        ("%%uml demo\n%uml lo", [], ["load"]),
        ("known_", ["known_function"], ["load"]),
    ],
)
def test_what_may_come_next_is_offered(kernel: Kernel, code: str, offered: list[str], not_offered: list[str]) -> None:
    kernel.run("def known_function(): ...\nclass KnownType: ...")
    wait_until(lambda: "demo" in kernel.complete("%uml load ")["matches"])  # a busy server is not waited for
    reply = kernel.complete(code)
    assert reply["status"] == "ok"
    assert set(offered) <= set(reply["matches"])
    assert not set(not_offered) & set(reply["matches"])
    typed = code[reply["cursor_start"] : reply["cursor_end"]]
    assert all(match.startswith(typed) for match in offered)


def test_names_with_colons_are_completed_whole(shell: InteractiveShell, stub: StubServer) -> None:
    stub.answer("models", Reply({"models": [model_row("org/model:q4"), model_row("bad", reason="Cut off.")]}))
    with provisionalcompleter():
        (found,) = shell.Completer.completions("%%uml org/model:q", 17)
    assert (found.text, found.start, found.end) == ("org/model:q4", 6, 17)


def test_a_server_that_is_slow_or_gone_disturbs_nobody(
    stub: StubServer, stub_client: UniversalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, known = threading.Event(), KnownModels()
    monkeypatch.setattr(known_models, "PATIENCE_SECONDS", 0.05)
    stub.answer("models", Reply({"models": [model_row("one")]}))
    stub.hold("models", gate)
    began = time.monotonic()
    assert known.names(stub_client) == ()
    assert time.monotonic() - began < 1
    gate.set()
    monkeypatch.setattr(known_models, "PATIENCE_SECONDS", 10)
    assert known.names(stub_client) == ("one",)
    stub.answer("models", Reply({"models": [model_row("two"), model_row("brief", base="two")]}))
    assert known.names(stub_client) == ("one",)  # asked for a moment ago
    monkeypatch.setattr(known_models, "FRESH_SECONDS", 0)
    assert known.names(stub_client) == ("two", "brief")
    assert known.profiles(stub_client) == ("brief",)
    stub.answer("models", Reply({"error": {"message": "no", "code": "internal_error"}}, 500))
    assert known.names(stub_client) == ("two", "brief")
