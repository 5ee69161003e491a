"""What a model was made for: to write, or to be asked for embeddings only."""

from __future__ import annotations

from jupyter_uml.engine.model import Model
from jupyter_uml.errors import InvalidRequest

# Architectures that llama.cpp computes so whatever their files say.
_NOT_CAUSAL = {"gemma-embedding", "dream", "llada", "llada-moe", "rnd1"}
_ENCODERS = {"t5", "t5encoder"}


def is_causal(model: Model) -> bool:
    """Whether a token is computed from those before it alone: only then can a text be computed part by part."""
    architecture = model.metadata("general.architecture") or ""
    said = model.metadata(f"{architecture}.attention.causal")
    return said != "false" and architecture not in _NOT_CAUSAL | _ENCODERS


def check_writes(model: Model) -> None:
    """Refuse to let a model write, or say how likely a text is, that was not made to.

    Raises:
        InvalidRequest: its attention is not causal.
    """
    if is_causal(model):
        return
    use = "v1/rerank" if model.info.pooling == "rank" else "v1/embeddings"
    raise InvalidRequest(
        f"{model.spec.id} cannot write: its attention is not causal. Ask it at {use}, or name another model.",
        param="model",
    )
