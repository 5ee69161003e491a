"""Quantisations by their names, which are those of llama.cpp's quantize tool: which of two keeps more of a model."""

from __future__ import annotations

import re

# Best first. By bits for each weight, and where these are alike by the loss that llama.cpp's authors measured.
_ORDER = """
    F32 BF16 F16 Q8_K_XL Q8_0 Q6_K_XL Q6_K_L Q6_K Q5_K_XL Q5_K_L Q5_K_M Q5_1 Q5_K_S Q5_0 MXFP4 NVFP4
    Q4_K_XL Q4_K_L Q4_K_M Q4_1 Q4_K_S IQ4_NL Q4_0 IQ4_XS Q3_K_XL Q3_K_L IQ3_M Q3_K_M IQ3_S Q3_K_S IQ3_XS IQ3_XXS
    Q2_K_XL Q2_K_L Q2_K IQ2_M Q2_K_S IQ2_S IQ2_XS TQ2_0 Q2_0 IQ2_XXS IQ1_M TQ1_0 IQ1_S Q1_0
"""
_RANKS = {name: rank for rank, name in enumerate(_ORDER.split())}
_ALIASES = {"FP32": "F32", "FP16": "F16", "MXFP4_MOE": "MXFP4", "Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}

_NAME = re.compile(
    r"(?<![A-Z0-9])(UD[-_])?"  # Unsloth's dynamic mixtures of the types
    r"(BF16|FP?(?:16|32)|NVFP4|MXFP4(?:[-_]MOE)?|TQ[12][-_]0"
    r"|I?Q[1-8][-_](?:[01K]|XXS|XS|S|M|NL)(?:[-_](?:XXS|XS|XXL|XL|S|M|L))?(?:[-_]\d[-_]\d)?)"
    r"(?![A-Z0-9])"
)
_TRAINED = "MXFP4"  # in which models are published: other types are made of it, and cannot be better
_WITHIN_NOTICE = "Q4_K_M"  # half a per cent of perplexity lost, at under five bits a weight


def quantisation_of(path: str) -> str | None:
    """The quantisation that a file's name, or else its folder's, tells; in capitals. None: it tells none."""
    for part in reversed(path.split("/")):
        if found := list(_NAME.finditer(part.upper())):
            return normal(found[-1][0])
    return None


def without_quantisation(stem: str) -> str:
    """What is left of a file's name: the model's own, in capitals."""
    return _NAME.sub("", stem.upper()).strip("-_. ")


def normal(name: str) -> str:
    """One spelling for each: `q4-k-m` → `Q4_K_M`, `ud_q2_k_xl` → `UD-Q2_K_XL`."""
    name = name.upper().replace("-", "_")
    dynamic, name = ("UD-", name[3:]) if name.startswith("UD_") else ("", name)
    return dynamic + _ALIASES.get(name, name)


def rank(quantisation: str | None) -> int | None:
    """Its place in the order of quality, 0 the best; None for one that is not known (or that no longer loads)."""
    return _RANKS.get(quantisation.removeprefix("UD-")) if quantisation else None


def is_frugal(quantisation: str) -> bool:
    """Not better than what most people use: more bits would cost memory and speed, and hardly show."""
    place = rank(quantisation)
    return place is not None and (place >= _RANKS[_WITHIN_NOTICE] or place == _RANKS[_TRAINED])
