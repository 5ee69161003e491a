"""LoRA adapters: small files of differences that are added to a model's matrices while it computes."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any

import llama_cpp

from jupyter_uml.engine import llama_log
from jupyter_uml.engine.model import Model
from jupyter_uml.errors import ModelLoadFailed


class Adapters:
    """The adapters of one model, for each of its contexts. `wanted`: id, path and scale of each.

    They hold for a whole context, hence for all of its sequences. llama.cpp frees them with the model.

    Raises:
        ModelLoadFailed: a file is damaged, is no LoRA adapter or was made for another model.
    """

    def __init__(self, model: Model, wanted: Iterable[tuple[str, str, float]]) -> None:
        loaded = [(_load(model, adapter_id, path), scale) for adapter_id, path, scale in wanted]
        self._handles = (llama_cpp.llama_adapter_lora_p_ctypes * len(loaded))(*(handle for handle, _ in loaded))
        self._scales = (ctypes.c_float * len(loaded))(*(scale for _, scale in loaded))

    def apply(self, context: Any) -> None:
        """Let a `llama_context` compute with them.

        Raises:
            ModelLoadFailed: llama.cpp refuses.
        """
        if llama_cpp.llama_set_adapters_lora(context, self._handles, len(self._handles), self._scales) != 0:
            raise ModelLoadFailed("llama.cpp cannot apply the LoRA adapters.")


def _load(model: Model, adapter_id: str, path: str) -> Any:
    llama_log.forget()
    handle = llama_cpp.llama_adapter_lora_init(model.handle, path.encode())
    if not handle:
        raise ModelLoadFailed(
            f"The adapter {adapter_id} does not fit {model.spec.id}: {llama_log.first_error()}. "
            "Is it a GGUF file of a LoRA adapter that was trained on this very model?"
        )
    if llama_cpp.llama_adapter_get_alora_n_invocation_tokens(handle):
        raise ModelLoadFailed(
            f"The adapter {adapter_id} is an activated LoRA, which holds for parts of a prompt; "
            "only adapters that hold for all of it can be used."
        )
    return handle
