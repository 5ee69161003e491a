"""`keys` and `usage`, on a server that runs and where none does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.runner import run
from tests.conftest import Server, launch, wait_until


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = launch(tmp_path_factory.mktemp("running"), standalone=True, model_dirs=False)
    yield server
    server.stop()


def on(server: Server, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(server.runtime.parent, *arguments, **environment)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def json_of(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class TestWithAServer:
    def test_one_command_hands_out_a_key_and_one_takes_it_back(self, running: Server) -> None:
        options = ("--models", "demo,Qwen*", "--expires-in", "30d", "--requests-per-minute", "60", "--burst=9")
        made = on(running, "keys", "create", "a course", "--scopes", "infer,models:read", *options)
        assert made.returncode == 0, made.stderr
        secret = made.stdout.removesuffix("\n")
        assert secret.startswith("uml_")
        assert "\n" not in secret
        assert secret not in made.stderr
        assert f"Server: {running.url}" in made.stderr
        for told in ("infer, models:read", "demo, Qwen*", "60 requests/min", "9 requests/s", "in 30 d"):
            assert told in made.stderr
        assert running.get("models", headers=bearer(secret)).status_code == 200
        listed = on(running, "keys", "list")
        [row] = [line for line in listed.stdout.splitlines() if "a course" in line]
        assert "active" in row
        assert secret not in listed.stdout
        assert on(running, "keys", "revoke", "a course").stdout.endswith("is revoked.\n")
        assert running.get("models", headers=bearer(secret)).status_code == 401
        assert "a course" not in on(running, "keys").stdout
        assert "revoked" in on(running, "keys", "list", "--all").stdout

    def test_quiet_prints_the_key_and_nothing_else(self, running: Server) -> None:
        made = on(running, "keys", "create", "piped", "--quiet")
        assert (made.returncode, made.stderr) == (0, "")
        assert running.get("models", headers=bearer(made.stdout.strip())).status_code == 200

    def test_programs_are_told_in_json(self, running: Server) -> None:
        made = json_of(on(running, "keys", "create", "in json", "--json", "--max-concurrent", "3"))
        assert (made["name"], made["max_concurrent"], made["key"][:4]) == ("in json", 3, "uml_")
        changed = json_of(on(running, "keys", "expire", made["id"], "1h", "--json"))
        assert 3590 < changed["expires_at"] - changed["created"] < 3700
        rows = json_of(on(running, "keys", "--json"))["keys"]
        assert not any("key" in row for row in rows)
        assert json_of(on(running, "keys", "revoke", made["id"], "--json"))["state"] == "revoked"

    def test_a_terminal_of_jupyterlab_speaks_for_its_user(self, running: Server) -> None:
        kernels_own = running.post("keys", {"name": "like a kernel's", "scopes": ["infer", "models:read"]}).json()
        inherited = {"JUPYTER_UML_URL": running.url, "JUPYTER_UML_KEY": kernels_own["key"]}
        assert on(running, "keys", "create", "from a terminal", "--quiet", **inherited).stdout.startswith("uml_")
        stranger = run(running.models, "keys", **inherited)
        assert stranger.returncode == 1
        assert "keys:admin" in stranger.stderr

    def test_use_is_told_by_name_and_summed_up(self, running: Server) -> None:
        secret = on(running, "keys", "create", "user", "--quiet").stdout.strip()
        body = {"model": "demo", "prompt": "Hello", "max_tokens": 3}
        answers = [running.post("v1/completions", body, headers=bearer(secret)) for _ in range(2)]
        tokens = sum(answer.json()["usage"]["completion_tokens"] for answer in answers)
        running.post("v1/completions", {"model": "nope", "prompt": "Hello"}, headers=bearer(secret))
        [demo] = json_of(on(running, "usage", "--key", "user", "--model", "demo", "--json"))["usage"]
        assert (demo["name"], demo["requests"], demo["tokens_out"]) == ("user", 2, tokens)
        table = on(running, "usage", "--key", "user", "--by", "model").stdout.splitlines()
        assert table[0].split() == ["MODEL", "REQUESTS", "ERRORS", "TOKENS", "IN", "OUT", "CACHED", "SECONDS"]
        assert table[-1].split()[:4] == ["in", "all", "3", "1"]
        assert on(running, "usage", "--key", "user", "--since", "2999-01-01").stdout == "Nothing was used.\n"

    def test_what_the_server_refuses_is_one_line(self, running: Server) -> None:
        for arguments, says in (
            (("keys", "create", "x", "--scopes", "all"), "'keys:admin'"),
            (("keys", "revoke", "nobody"), "keys list --all"),
        ):
            failed = on(running, *arguments)
            assert failed.returncode == 1
            assert says in failed.stderr.splitlines()[-1]


class TestWithoutAServer:
    def test_what_is_made_before_the_server_opens_it_afterwards(self, tmp_path: Path) -> None:
        good = run(tmp_path, "keys", "create", "early", "--quiet")
        assert good.returncode == 0, good.stderr
        gone = json_of(run(tmp_path, "keys", "create", "early", "--json"))
        assert run(tmp_path, "keys", "revoke", "early").returncode == 1  # two have the name
        assert json_of(run(tmp_path, "keys", "revoke", gone["id"], "--json"))["state"] == "revoked"
        assert "never" in run(tmp_path, "keys", "expire", "early", "never").stdout
        database = tmp_path / "data" / "uml" / "access.sqlite3"
        assert database.stat().st_mode & 0o077 == 0
        assert run(tmp_path, "usage").stdout == "Nothing was used.\n"
        server = launch(tmp_path, model_dirs=False)
        try:
            assert server.get("models", headers=bearer(good.stdout.strip())).status_code == 200
            assert server.get("models", headers=bearer(gone["key"])).status_code == 401
            late = run(tmp_path, "keys", "create", "late", "--quiet", JUPYTER_RUNTIME_DIR=str(tmp_path / "elsewhere"))
            wait_until(lambda: server.get("models", headers=bearer(late.stdout.strip())).status_code == 200, 1.0)
        finally:
            server.stop()
        audit = [json.loads(line) for line in (database.parent / "audit.jsonl").read_text().splitlines()]
        assert [row["action"] for row in audit if row.get("principal_id") == "files"] == [
            "key.create",
            "key.create",
            "key.revoke",
            "key.expire",
            "key.create",
        ]
        assert not any(secret in json.dumps(audit) for secret in (good.stdout.strip(), gone["key"]))

    def test_the_folder_can_be_configured(self, tmp_path: Path) -> None:
        folder = tmp_path / "state"
        assert run(tmp_path, "keys", "create", "x", f"--UMLApp.state_dir={folder}").returncode == 0
        assert (folder / "access.sqlite3").exists()
        assert "There is no key" in run(tmp_path, "keys").stdout

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (("keys", "create"), "which name"),
            (("keys", "create", "x", "--scopes", "all"), "infer, keys:admin, models:admin, models:read"),
            (("keys", "create", "x", "--burst", "0"), "burst"),
            (("keys", "delete", "x"), "keys delete"),
            (("keys", "expire", "x"), "how long"),
            (("usage", "--since", "yesterday"), "2026-11-22"),
        ],
    )
    def test_mistakes_are_not_passed_over(self, tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
        failed = run(tmp_path, *arguments)
        assert failed.returncode in (1, 2)
        assert says in failed.stderr
