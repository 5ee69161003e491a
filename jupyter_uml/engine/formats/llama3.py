"""Llama 3.1 to 3.3: a JSON object with `parameters`, sometimes after `<|python_tag|>`."""

from __future__ import annotations

from jupyter_uml.engine.formats.bare_json import BareCalls, BareFormat

LLAMA3 = BareFormat("llama3", BareCalls(("<|python_tag|>",), arguments="parameters", listed=False), thinking=())


def recognise(template: str) -> BareFormat | None:
    return LLAMA3 if "<|start_header_id|>ipython<|end_header_id|>" in template else None
