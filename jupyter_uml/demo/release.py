"""Writes `demo.gguf` and `demo.json`: the model, and what the tests compare it with."""

import hashlib
import importlib.metadata
import json
import tempfile
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from . import demo_model_path
from .corpus import Corpus, Renderer, single
from .evaluate import Examiner, report
from .export import NAME, write_gguf
from .model import Transformer

PACKAGES = ("torch", "tokenizers", "gguf", "numpy", "jinja2", "llama-cpp-python")
RECORDED_PROMPTS = 20
SPOT_CHECKS = (
    "Hello, wörld! 12 345 naïve café",
    "%uml load NAME --n-ctx 8192",
    "  two  blanks\n\n\tand a tab  ",
    "I'm, you're, it's; don't",
    "日本語 и кириллица 🚀",
    '<tool_call>\n{"name": "get_time"}\n</tool_call>',
    "a_b-c/d\\e`f`$(g)",
    "<|im_start|>user\nHi<|im_end|>\n",
)


def release(
    model: Transformer, tokenizer: Tokenizer, record: dict[str, Any], export: bool = True, evaluate: bool = True
) -> dict[str, Any]:
    """Writes the files if `export`, measures if `evaluate`; returns the content of demo.json."""
    corpus = Corpus()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "demo.gguf"
        write_gguf(model, tokenizer, path)
        content = path.read_bytes()
        figures = report(Examiner(path, corpus).examine()) if evaluate else {}
    card = {
        "name": NAME,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "training": record,
        "rebuild": f"python -m jupyter_uml.demo.train --export --steps {record['steps']} --seed {record['seed']}",
        "accuracy_percent": figures,
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "greedy": record_greedy(model, tokenizer, corpus),
        "tokenization": [{"text": text, "ids": tokenizer.encode(text).ids} for text in SPOT_CHECKS],
    }
    if export:
        demo_model_path().write_bytes(content)
        text = json.dumps(card, ensure_ascii=False, indent=1)
        demo_model_path().with_suffix(".json").write_text(_compact(text) + "\n", encoding="utf-8")
    return card


def record_greedy(model: Transformer, tokenizer: Tokenizer, corpus: Corpus) -> list[dict[str, Any]]:
    """PyTorch's greedy answers to a few prompts, as token ids."""
    render, end = Renderer(), tokenizer.token_to_id("<|im_end|>")
    intents = list(corpus.answers)[:: max(1, len(corpus.answers) // RECORDED_PROMPTS)][:RECORDED_PROMPTS]
    records = []
    for intent in intents:
        prompt = render(single(corpus.plain[intent]), prompt=True)
        records.append({"prompt": prompt, "ids": model.greedy(tokenizer.encode(prompt).ids, end)})
    return records


def _compact(text: str) -> str:
    """Puts lists of numbers on one line."""
    lines: list[str] = []
    for line in text.splitlines():
        if lines and (lines[-1].endswith("[") or lines[-1][-2:-1].isdigit()) and line.strip(" ,]").isdigit():
            lines[-1] += ("" if lines[-1].endswith("[") else " ") + line.strip()
        elif lines and lines[-1][-1:].isdigit() and line.strip() in ("]", "],"):
            lines[-1] += line.strip()
        else:
            lines.append(line)
    return "\n".join(lines)
