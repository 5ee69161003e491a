"""`jupyter uml profiles`, where no server runs: it reads what a person has written."""

from __future__ import annotations

import json
from pathlib import Path

from jupyter_uml.commands.profiles import listed
from tests.commands.runner import run


def test_profiles_are_listed_with_what_they_ask_for_or_what_is_wrong(tmp_path: Path) -> None:
    assert listed([], 80).startswith("There is no profile.")
    folder = tmp_path / "config" / "uml" / "profiles"
    folder.mkdir(parents=True)
    (folder / "brief.toml").write_text('model = "demo"\nn_ctx = 512\nsystem_prompt = "Be brief."\npin = true\n')
    (folder / "far.toml").write_text('model = "away"\n')
    done = run(tmp_path, "profiles")
    assert done.returncode == 0, done.stderr
    heading, brief, far = done.stdout.splitlines()
    assert heading.split() == ["NAME", "MODEL", "SETTINGS"]
    assert brief.split(maxsplit=2) == ["brief", "demo", "n_ctx=512, pin=True, system_prompt"]
    assert "“away” is not here" in far
    rows = json.loads(run(tmp_path, "profiles", "--json").stdout)["profiles"]
    assert [(row["id"], row.get("n_ctx")) for row in rows] == [("brief", 512), ("far", None)]
