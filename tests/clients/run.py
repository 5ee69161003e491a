"""`make clients`: one program for each of the larger clients, against a real server.

    python tests/clients/run.py ENVIRONMENTS [NAME …]

Each client gets a virtual environment of its own in the folder ENVIRONMENTS, for some cannot stand the others'
versions. A NAME chooses among the programs (`litellm`, `openai_npm`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from tests.conftest import launch  # noqa: E402  (a script's path does not begin at the root)

SECONDS = 300.0
REQUIREMENTS = {
    "instructor": "instructor>=1.15",
    "langchain": "langchain-openai>=1.7",
    "litellm": "litellm>=1.100 mcp",  # it imports mcp, without saying so, where there are tools
    "llm": "llm>=0.36",
    "pydantic_ai": "pydantic-ai-slim[openai]>=2.60",
}
NPM = ["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]


def main(environments: str, *names: str) -> int:
    programs = sorted(path for path in HERE.glob("with_*") if not names or name_of(path) in names)
    failed = [name_of(path) for path in programs if run(install(name_of(path), Path(environments)), path)]
    print(f"failed: {', '.join(failed)}" if failed else f"{len(programs)} clients, all passed")
    return bool(failed) or not programs


def name_of(program: Path) -> str:
    return program.stem.removeprefix("with_")


def install(name: str, environments: Path) -> str:
    """The interpreter that has the client."""
    if name not in REQUIREMENTS:
        subprocess.run(NPM, cwd=HERE, check=True)
        return "node"
    python = environments / name / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environments / name)], check=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q", *REQUIREMENTS[name].split()]
    subprocess.run(pip, check=True)
    return str(python)


def run(interpreter: str, program: Path) -> int:
    """The program's exit status. Its server is its own: three workers that die within a minute would be left alone."""
    with tempfile.TemporaryDirectory() as folder:
        server = launch(Path(folder), cold=True)
        environment = {**os.environ, "UML_URL": server.url, "UML_KEY": server.token}
        try:
            return subprocess.run([interpreter, program], env=environment, timeout=SECONDS, check=False).returncode
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
