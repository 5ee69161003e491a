"""How a model is to be loaded, as it was filled in: texts, of which an empty one leaves the choice to the loader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import EffectiveSettings, KvType

CONTEXT_UNIT = 256  # tokens: contexts are rounded up to multiples of it
LABELS = {
    "n_ctx": "Context",
    "n_parallel": "At a time",
    "n_threads": "Threads",
    "n_batch": "Batch",
    "n_gpu_layers": "GPU layers",
}


def settings_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `LoadSettings` that were filled in.

    Raises:
        InvalidRequest: a field holds no whole number, or no type of KV cache.
    """
    filled = {name: str(options.get(name) or "").strip() for name in (*LABELS, "kv_type")}
    given: dict[str, Any] = {name: _whole(name, filled[name]) for name in LABELS if filled[name]}
    if kind := filled["kv_type"]:
        if kind not in get_args(KvType):
            raise InvalidRequest(f"KV cache: {kind!r} is none of {', '.join(get_args(KvType))}", param="kv_type")
        given["kv_type"] = kind
    return given


def keep_alive_of(options: Mapping[str, Any]) -> float | str | None:
    """As it was written: the client checks it."""
    text = str(options.get("keep_alive") or "").strip()
    return float(text) if text.removeprefix("-").isdecimal() else text or None


def are_in_force(settings: Mapping[str, Any], now: EffectiveSettings) -> bool:
    """Whether a model that is loaded runs with them already."""
    have = asdict(now)
    return all(_same(name, wanted, have[name]) for name, wanted in settings.items())


def must_unload(settings: Mapping[str, Any], now: EffectiveSettings) -> bool:
    """Whether a loaded model has more than it is to have. A load asks for so much at least: nobody else's share is
    taken away by it."""
    n_ctx, n_parallel = settings.get("n_ctx", now.n_ctx), settings.get("n_parallel", now.n_parallel)
    return bool(now.n_ctx - n_ctx >= CONTEXT_UNIT or n_parallel < now.n_parallel)


def whole(settings: Mapping[str, Any], now: EffectiveSettings | None) -> dict[str, Any]:
    """What a loaded model is to be loaded anew with: what is left open stays as it is."""
    kept = ("n_ctx", "n_parallel", "kv_type", "n_gpu_layers")
    return {**({name: getattr(now, name) for name in kept} if now else {}), **settings}


def _same(name: str, wanted: Any, have: Any) -> bool:
    return 0 <= have - wanted < CONTEXT_UNIT if name == "n_ctx" else bool(have == wanted)


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InvalidRequest(f"{LABELS[name]}: {text!r} is not a whole number.", param=name) from error
