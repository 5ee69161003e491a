"""The demo model: a three-million-parameter transformer that answers questions about jupyter_uml.

`demo.gguf` is the model, `demo.json` its birth certificate, `corpus/` what it was taught. The other
modules rebuild it: `python -m jupyter_uml.demo.train --help` (they need torch, tokenizers and gguf).
"""

from pathlib import Path


def demo_model_path() -> Path:
    """Path of the GGUF file that ships with the package."""
    return Path(__file__).parent / "demo.gguf"
