"""What a model's file says about itself and cannot be true, whatever memory there is.

llama.cpp would end the process for some of it, and for the rest memory would seem to be what is short.
"""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_uml.loader.catalog.gguf_file import GgufFile
from jupyter_uml.loader.memory.keys import Keys
from jupyter_uml.loader.memory.shape import MAX_LAYERS, ModelShape, shape_of

MAX_EXPERTS = 1024  # llama.cpp loads no more
_SLACK = 4  # times the widest tensor: an architecture may do things that are not known here
_VOCABULARY = ("token_embd.", "output.", "per_layer_token_embd.")  # tensors with a row for each token


def false_claim(gguf: GgufFile) -> str | None:
    """The first one, as the end of a sentence: "its file says that it has no layers."; None: nothing is wrong.

    What stays unnoticed here llama.cpp finds by itself, when it looks for the tensors.
    """
    claim = next(_false_claims(Keys(gguf.metadata), shape_of(gguf), gguf), None)
    return claim and f"its file says that {claim}."


def _false_claims(keys: Keys, shape: ModelShape, gguf: GgufFile) -> Iterator[str]:
    layers, further = keys.number("block_count"), keys.number("nextn_predict_layers")
    if not layers:
        yield "it has no layers"
    if layers > MAX_LAYERS:
        yield f"it has {layers:,} layers, and llama.cpp loads {MAX_LAYERS} at most"
    if further > layers:
        yield f"{further:,} of its {layers:,} layers predict further tokens"
    yield from _false_experts(keys, shape)
    kv_heads = keys.number("attention.head_count_kv")
    if 0 < shape.heads < kv_heads:
        yield f"it has more heads for keys ({kv_heads:,}) than heads ({shape.heads:,})"
    yield from _too_large(keys, shape, gguf)


def _false_experts(keys: Keys, shape: ModelShape) -> Iterator[str]:
    used = keys.number("expert_used_count")
    if shape.experts > MAX_EXPERTS:
        yield f"it has {shape.experts:,} experts, and llama.cpp loads {MAX_EXPERTS:,} at most"
    if 1 < shape.experts < used:  # of models without experts some say that one is used
        yield f"{used:,} of its {shape.experts:,} experts work on each token"


def _too_large(keys: Keys, shape: ModelShape, gguf: GgufFile) -> Iterator[str]:
    """Whatever is computed for a token comes out of a tensor or goes into one, which is as wide at least.

    Keys, too: there are as many queries, or more, and those come out of one.
    """
    sizes = (max(each.shape, default=0) for each in gguf.tensors if not each.name.startswith(_VOCABULARY))
    most = _SLACK * max(sizes, default=0)
    claims = {
        "its embedding length": shape.width,
        "its number of heads": shape.heads,
        "the length of its keys": max((layer.keys for layer in shape.layers), default=0),
        "the length of its values": max((layer.values for layer in shape.layers), default=0),
        "its feed-forward length": shape.hidden // max(1, keys.number("expert_used_count")),
    }
    for name, value in claims.items():
        if value > most:
            yield f"{name} is {value:,}, for which its tensors are too small"
