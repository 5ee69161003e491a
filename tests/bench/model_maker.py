"""Models to measure with: random weights in a real architecture, of any size, with a real vocabulary.

Speed does not depend on what the weights say, only on their shape; so nothing has to be downloaded. The vocabulary is
Qwen2's, from the sdist of llama-cpp-python (`UML_BENCH_VOCAB` names the file or a folder above it); without it the
demo model's own. Files are kept in `UML_BENCH_CACHE`, else in `~/.cache/jupyter_uml/bench`.

There are two kinds. `babble` says anything: sampled at a temperature it never repeats itself. `recite` knows a text by
heart, as an infinite loop of words: whatever word it saw last, the next word of its text follows. Given an old version
of a passage, it writes the right one, which is what an edit is: most of the prompt again, with changes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jupyter_uml.demo import demo_model_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["babble", "recite"]

VOCABULARY = "ggml-vocab-qwen2.gguf"
RECIPE = 1  # in the name of every file: a change of what is written below makes the models anew
N_CTX = 16384
HEAD, KV_HEADS = 64, 2  # values a head; heads of keys and values
LOGIT_SPREAD = 3.0  # standard deviation of the logits
MUTED = 0.02  # of the usual size: rows of tokens that would end an answer or break its UTF-8
PRINTABLE = re.compile("[!-~Ġ]+")  # Ġ is the space of byte-level vocabularies
WORD = re.compile("Ġ[a-z]{3,10}")
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Shape:
    """Widths and depth of a transformer whose proportions are those of Qwen2.5-0.5B."""

    width: int
    vocabulary: int

    @property
    def layers(self) -> int:
        return max(2, round(self.width * 24 / 896))

    @property
    def hidden(self) -> int:
        return round(self.width * 4864 / 896 / 64) * 64

    @property
    def parameters(self) -> int:
        """Weights, with the embedding counted once."""
        attention = 2 * self.width * (self.width + KV_HEADS * HEAD)
        return self.vocabulary * self.width + self.layers * (attention + 3 * self.width * self.hidden)

    def matrices(self) -> Iterator[tuple[str, int, int]]:
        """Name, rows and columns of a layer's matrices."""
        shared = KV_HEADS * HEAD
        yield from (("attn_q", self.width, self.width), ("attn_k", shared, self.width), ("attn_v", shared, self.width))
        yield ("attn_output", self.width, self.width)
        yield from (("ffn_gate", self.hidden, self.width), ("ffn_up", self.hidden, self.width))
        yield ("ffn_down", self.width, self.hidden)


def fitting_shape(billions: float, vocabulary: int) -> Shape:
    """The shape whose number of parameters comes nearest."""
    widths = range(2 * HEAD, 16384 + 1, 2 * HEAD)
    return min((Shape(w, vocabulary) for w in widths), key=lambda shape: abs(shape.parameters - billions * 1e9))


@dataclass(frozen=True)
class BenchModel:
    """A model file, and the words that prompts are made of: each is one token."""

    path: Path
    vocabulary: str

    @cached_property
    def words(self) -> list[str]:
        """For `recite`, in the order of its text."""
        words: list[str] = json.loads(self.path.with_suffix(".words.json").read_text())
        return words


def bench_model(billions: float, quantisation: str = "Q8_0", kind: Kind = "babble") -> BenchModel:
    """The model's file; made where there is none yet: 15 s for 0.05 billion parameters, a minute for 0.5 billion."""
    source = vocabulary_file()
    path = cache_folder() / f"{kind}-{billions:g}b-{quantisation.lower()}-{source.stem}-{RECIPE}.gguf"
    if not path.exists():
        _make(source, path, billions, quantisation, kind)
    return BenchModel(path, source.stem)


def cache_folder() -> Path:
    folder = Path(os.environ.get("UML_BENCH_CACHE") or Path.home() / ".cache" / "jupyter_uml" / "bench")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def vocabulary_file() -> Path:
    place = Path(os.environ.get("UML_BENCH_VOCAB") or "")
    if place.is_file():
        return place
    if os.environ.get("UML_BENCH_VOCAB"):
        for path in place.rglob(VOCABULARY):
            return path
        raise FileNotFoundError(f"no {VOCABULARY} under UML_BENCH_VOCAB")
    return demo_model_path()


def _make(source: Path, path: Path, billions: float, quantisation: str, kind: Kind) -> None:
    import gguf  # only the extra `bench` brings it

    vocabulary = _Vocabulary(source)
    shape = fitting_shape(billions, len(vocabulary.tokens))
    unfinished = path.with_suffix(".part")
    writer = gguf.GGUFWriter(str(unfinished), "llama", use_temp_file=billions > 4)
    _describe(writer, shape, f"{kind} {billions:g}B {quantisation}")
    vocabulary.write(writer)
    rng = np.random.default_rng(20)
    order = rng.permutation(vocabulary.words) if kind == "recite" else np.array(vocabulary.words)
    target = gguf.GGMLQuantizationType[quantisation]
    for name, weights in _tensors(shape, vocabulary, order if kind == "recite" else None, rng):
        if weights.ndim == 1:  # norms stay as they are
            writer.add_tensor(name, weights)
        else:
            writer.add_tensor(name, gguf.quantize(weights, target), raw_dtype=target)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    words = [vocabulary.tokens[token].replace("Ġ", " ") for token in order]
    path.with_suffix(".words.json").write_text(json.dumps(words))
    unfinished.rename(path)


def _describe(writer: Any, shape: Shape, name: str) -> None:
    writer.add_name(name)
    writer.add_context_length(N_CTX)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.width // HEAD)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(HEAD)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(shape.vocabulary)


class _Vocabulary:
    """A byte-level BPE vocabulary, read from a GGUF file."""

    def __init__(self, path: Path) -> None:
        from gguf import GGUFReader, TokenType

        fields = GGUFReader(str(path)).fields
        self._fields = {name: fields[name].contents() for name in fields if name.startswith("tokenizer.ggml.")}
        self.tokens: list[str] = self._fields["tokenizer.ggml.tokens"]
        self._types: list[int] = self._fields["tokenizer.ggml.token_type"]
        normal = [kind == TokenType.NORMAL for kind in self._types]
        self.printable = np.array(
            [ok and bool(PRINTABLE.fullmatch(token)) for ok, token in zip(normal, self.tokens, strict=True)]
        )
        self.words = [i for i in np.flatnonzero(self.printable).tolist() if WORD.fullmatch(self.tokens[i])]

    def write(self, writer: Any) -> None:
        end = self.tokens.index("<|im_end|>")
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(self._fields["tokenizer.ggml.pre"])
        writer.add_token_list(self.tokens)
        writer.add_token_types(self._types)
        writer.add_token_merges(self._fields["tokenizer.ggml.merges"])
        writer.add_eos_token_id(end)
        writer.add_bos_token_id(self._fields.get("tokenizer.ggml.bos_token_id", end))
        writer.add_add_bos_token(False)
        writer.add_chat_template(CHATML)


def _tensors(
    shape: Shape, vocabulary: _Vocabulary, text: NDArray[np.int64] | None, rng: np.random.Generator
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """All tensors by name. `text`: the tokens that the model recites, for ever; None for a model that babbles."""
    embedding = _normal(rng, shape.vocabulary, shape.width)
    if text is None:
        embedding *= LOGIT_SPREAD / shape.width**0.5
        embedding[~vocabulary.printable] *= MUTED
    else:
        output = np.zeros_like(embedding)
        output[np.roll(text, -1)] = embedding[text] * np.float32(0.1)  # so each is followed by the next
        yield "output.weight", output
    yield "token_embd.weight", embedding
    yield "output_norm.weight", np.ones(shape.width, np.float32)
    share = 1.0 if text is None else MUTED  # of the layers in what is said; they are computed all the same
    for layer in range(shape.layers):
        for name, rows, columns in shape.matrices():
            gain = share if name in {"attn_output", "ffn_down"} else 1.0
            yield f"blk.{layer}.{name}.weight", _normal(rng, rows, columns) * np.float32(gain / columns**0.5)
        yield f"blk.{layer}.attn_norm.weight", np.ones(shape.width, np.float32)
        yield f"blk.{layer}.ffn_norm.weight", np.ones(shape.width, np.float32)


def _normal(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    return rng.standard_normal((rows, columns), np.float32)
