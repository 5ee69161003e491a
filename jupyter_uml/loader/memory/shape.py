"""What a model's file says about its layers, as far as memory depends on it.

The rules are llama.cpp's: `llama_hparams`, `llama_model::create_memory` and the `load_arch_hparams` of its models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jupyter_uml.loader.catalog.gguf_file import GgufFile
from jupyter_uml.loader.memory.keys import Keys, count

MAX_LAYERS = 512  # llama.cpp loads no more; more are not counted
_NO_CACHE = frozenset(
    "bert jina-bert-v2 jina-bert-v3 nomic-bert nomic-bert-moe neo-bert eurobert modern-bert gemma-embedding "
    "wavtokenizer-dec dream llada llada-moe rnd1".split()
)
_RECURRENT = frozenset("mamba mamba2 rwkv6 rwkv6qwen2 rwkv7 arwkv7".split())
# Every layer with a state, or every layer but each fourth (`full_attention_interval`), or those without heads.
_STATE_IN_ALL = frozenset({"falcon-h1"})
_STATE_BY_INTERVAL = frozenset("qwen3next qwen35 qwen35moe qwen4exp minimax-01".split())
_STATE_BY_HEADS = frozenset(
    "jamba plamo2 granitehybrid lfm2 lfm2moe nemotron_h nemotron_h_moe kimi-linear kimi-k3 bailingmoe3 "
    "glm5-next".split()
)
# Each so-and-so-many-th layer sees everything, the others a window; negative: the first of them rather than the last.
_PERIODS = {
    **{"gemma2": 2, "gpt-oss": 2, "gemma3n": 5, "gemma3": 6, "plamo3": 8},
    **dict.fromkeys("afmoe cohere2 exaone-moe exaone4 llama4 mellum olmo2 muse-glimmer".split(), 4),
    **dict.fromkeys("cohere2moe laguna smallthinker".split(), -4),
}
_WINDOWS = {"gemma2": 4096, "exaone4": 4096, "llama4": 8192}  # where the file does not say
_WINDOWLESS = frozenset({"phi3"})  # llama.cpp ignores what its files say


@dataclass(frozen=True, slots=True)
class Layer:
    """`keys`, `values`: numbers in the KV cache for each token. `state`: bytes of recurrent state for each sequence."""

    keys: int = 0
    values: int = 0
    windowed: bool = False
    state: int = 0


@dataclass(frozen=True, slots=True)
class ModelShape:
    """`heads`: the most that a layer has, `first_heads`: those of the first one. `window`: tokens that a windowed
    layer sees. `hidden`: numbers for each token between the two halves of a feed-forward layer, in all experts that
    work on it. `inner`: the same within a recurrent layer.
    """

    architecture: str
    layers: tuple[Layer, ...]
    width: int
    heads: int
    first_heads: int
    head_size: int
    hidden: int
    inner: int
    experts: int
    window: int
    vocabulary: int
    merges: int
    tensors: int
    n_ctx_train: int

    @property
    def has_cache(self) -> bool:
        return any(layer.keys or layer.state for layer in self.layers)


def joined(parts: Sequence[GgufFile]) -> GgufFile:
    """The parts of a split model as one file: the first one says what the model is."""
    tensors = tuple(tensor for part in parts for tensor in part.tensors)
    return replace(parts[0], size=sum(part.size for part in parts), tensors=tensors)


def shape_of(gguf: GgufFile) -> ModelShape:
    """Keys that are missing count as llama.cpp counts them; a file without any gives a shape of zeros."""
    keys = Keys(gguf.metadata)
    n_layers = min(keys.number("block_count"), MAX_LAYERS)
    heads = keys.each("attention.head_count", n_layers)
    used = max(keys.each("expert_used_count", n_layers), default=0)
    return ModelShape(
        architecture=keys.architecture,
        layers=tuple(_layers(keys, heads)),
        width=keys.number("embedding_length"),
        heads=max(heads, default=0),
        first_heads=heads[0] if heads else 0,
        head_size=keys.number("attention.key_length", keys.number("embedding_length") // max([1, *heads])),
        hidden=max(_dense_hidden(keys), used * max(_expert_hidden(keys, n_layers), default=0)),
        inner=_inner(keys),
        experts=keys.number("expert_count"),
        window=_window(keys),
        vocabulary=_vocabulary(gguf),
        merges=count(gguf.metadata.get("tokenizer.ggml.merges", 0)),
        tensors=len(gguf.tensors),
        n_ctx_train=keys.number("context_length"),
    )


def _layers(keys: Keys, heads: Sequence[int]) -> list[Layer]:
    n_layers = len(heads)
    kv_heads = keys.each("attention.head_count_kv", n_layers) if keys.value("attention.head_count_kv") else list(heads)
    last = n_layers - keys.number("nextn_predict_layers")  # the layers behind it predict further tokens: not used
    windowed, stateful = _windowed(keys, n_layers), _stateful(keys, kv_heads)
    with_cache = _layers_with_cache(keys, n_layers)
    layers = []
    for index, n_kv in enumerate(kv_heads):
        recurrent = stateful[index] and index < last
        cached = index < min(last, with_cache) and (not recurrent or keys.architecture in _STATE_IN_ALL)
        one = _cached(keys, heads[index], n_kv, windowed[index]) if cached else Layer(windowed=windowed[index])
        layers.append(replace(one, state=_state(keys, max(heads)) if recurrent else 0))
    return layers


def _layers_with_cache(keys: Keys, n_layers: int) -> int:
    """The layers behind these share the cells of earlier ones, or there are no cells at all."""
    if keys.architecture in _NO_CACHE or keys.architecture in _RECURRENT:
        return 0
    if keys.architecture == "gemma3n":
        return 20
    return n_layers - keys.number("attention.shared_kv_layers")


def _cached(keys: Keys, heads: int, n_kv: int, windowed: bool) -> Layer:
    usual = keys.number("embedding_length") // max(1, heads)
    key, value = keys.number("attention.key_length", usual), keys.number("attention.value_length", usual)
    if windowed:
        key = keys.number("attention.key_length_swa", key)
        value = keys.number("attention.value_length_swa", value)
    latent = keys.number("attention.key_length_mla") and keys.number("attention.value_length_mla")
    return Layer(key * n_kv, 0 if latent else value * n_kv, windowed)  # MLA's values are part of its keys


def _window(keys: Keys) -> int:
    if keys.architecture in _WINDOWLESS:
        return 0
    return keys.number("attention.sliding_window", _WINDOWS.get(keys.architecture, 0))


def _windowed(keys: Keys, n_layers: int) -> list[bool]:
    period = _PERIODS.get(keys.architecture, 0)
    pattern = keys.value("attention.sliding_window_pattern")
    if not _window(keys):
        return [False] * n_layers
    if isinstance(pattern, tuple):
        return [bool(flag) for flag in keys.each("attention.sliding_window_pattern", n_layers)]
    length = keys.number("attention.sliding_window_pattern", abs(period))
    if length == 0:
        return [False] * n_layers
    full = 0 if period < 0 else length - 1
    return [index % length != full for index in range(n_layers)]


def _stateful(keys: Keys, kv_heads: Sequence[int]) -> list[bool]:
    architecture, n_layers = keys.architecture, len(kv_heads)
    if architecture in _RECURRENT | _STATE_IN_ALL:
        return [True] * n_layers
    if architecture in _STATE_BY_HEADS:
        hidden = keys.each("feed_forward_length", n_layers) if architecture.startswith("nemotron") else [0] * n_layers
        return [n_kv == 0 and size == 0 for n_kv, size in zip(kv_heads, hidden, strict=True)]
    if architecture in _STATE_BY_INTERVAL:
        if isinstance(keys.value("attention.recurrent_layers"), tuple):
            return [bool(flag) for flag in keys.each("attention.recurrent_layers", n_layers)]
        interval = keys.number("full_attention_interval", 4) or 4
        return [(index + 1) % interval != 0 for index in range(n_layers)]
    return [False] * n_layers


def _state(keys: Keys, heads: int) -> int:
    """Bytes: `n_embd_r` and `n_embd_s` of llama.cpp, in float32."""
    width, conv = keys.number("embedding_length"), max(0, keys.number("ssm.conv_kernel") - 1)
    if size := keys.number("wkv.head_size"):
        return 4 * width * (keys.number("token_shift_count", 2) + size)
    if length := keys.number("shortconv.l_cache"):
        return 4 * width * (length - 1)
    if size := keys.number("kda.head_dim"):
        return 4 * size * heads * (3 * (conv or 3) + size)
    inner, state = keys.number("ssm.inner_size"), keys.number("ssm.state_size")
    return 4 * (conv * (inner + 2 * keys.number("ssm.group_count") * state) + inner * state)


def _inner(keys: Keys) -> int:
    return keys.number("ssm.inner_size") + 2 * keys.number("ssm.group_count") * keys.number("ssm.state_size")


def _dense_hidden(keys: Keys) -> int:
    """Only layers without experts use it; some files have a number and no such layer."""
    experts = keys.number("expert_count")
    if experts and keys.value("expert_feed_forward_length") and not keys.number("leading_dense_block_count"):
        return keys.number("expert_shared_feed_forward_length")
    return 0 if experts and not keys.value("expert_feed_forward_length") else keys.number("feed_forward_length")


def _expert_hidden(keys: Keys, n_layers: int) -> list[int]:
    name = "expert_feed_forward_length" if keys.value("expert_feed_forward_length") else "feed_forward_length"
    return keys.each(name, n_layers)


def _vocabulary(gguf: GgufFile) -> int:
    if tokens := count(gguf.metadata.get("tokenizer.ggml.tokens", 0)):
        return tokens
    shapes = (tensor.shape for tensor in gguf.tensors if tensor.name == "token_embd.weight")
    return next((shape[-1] for shape in shapes if shape), 0)
