"""Workers that hang where a test wants them to: `sitecustomize` runs in every Python, before anything else."""

from __future__ import annotations

from pathlib import Path

# The worker's own code comes to a point and goes no further: it computes for ever, or waits for ever.
_CODE = """
import sys, time, importlib.abc, importlib.machinery

class Hook(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != {module!r}:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            owner = module
            for part in {function!r}.split(".")[:-1]:
                owner = getattr(owner, part)
            setattr(owner, {function!r}.split(".")[-1], hang)
        spec.loader.exec_module = exec_module
        return spec

def hang(*args, **kwargs):
    {body}

sys.meta_path.insert(0, Hook())
"""
COMPUTE = "while True: pass"
WAIT = "time.sleep(3600)"


def hanging_at(folder: Path, module: str, function: str, body: str) -> str:
    """A PYTHONPATH for workers that hang in this function."""
    (folder / "sitecustomize.py").write_text(_CODE.format(module=module, function=function, body=body))
    return f"{folder}:{Path(__file__).parents[2]}"
