"""A model's file and its context, as llama.cpp sees them. Limits are checked here, before C can abort on them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cached_property, lru_cache

import llama_cpp

from jupyter_uml.engine import llama_log
from jupyter_uml.engine.pulse import Pulse
from jupyter_uml.errors import EngineError, ModelLoadFailed
from jupyter_uml.types import EffectiveSettings, KvType, LoadSettings, ModelInfo, ModelSpec, Pooling

DEFAULT_CONTEXT = 4096
DEFAULT_PARALLEL = 4
KV_TYPES: dict[KvType, tuple[int, float]] = {  # ggml's number, bytes a value
    "f16": (llama_cpp.GGML_TYPE_F16, 2.0),
    "q8_0": (llama_cpp.GGML_TYPE_Q8_0, 34 / 32),
    "q4_0": (llama_cpp.GGML_TYPE_Q4_0, 18 / 32),
}
_POOLINGS: dict[str | None, Pooling] = {"1": "mean", "2": "cls", "3": "last", "4": "rank"}  # llama.h


class Model:
    """Weights and vocabulary of one GGUF file.

    Raises:
        ModelLoadFailed: llama.cpp cannot load the file.
    """

    def __init__(self, spec: ModelSpec, progress: Callable[[float], None] = lambda _: None) -> None:
        llama_log.capture()
        llama_cpp.llama_backend_init()
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = spec.settings.n_gpu_layers or 0

        @llama_cpp.llama_progress_callback  # type: ignore[untyped-decorator]
        def on_progress(fraction: float, _: object) -> bool:
            progress(fraction)
            return True

        params.progress_callback = on_progress
        llama_log.forget()
        self.handle = llama_cpp.llama_model_load_from_file(spec.path.encode(), params)
        if not self.handle:
            raise ModelLoadFailed(
                f"llama.cpp cannot load {spec.id}: {llama_log.first_error()}. Is it a whole GGUF file of a known kind?"
            )
        self.vocab = llama_cpp.llama_model_get_vocab(self.handle)
        self.spec = spec
        self.pulse = Pulse()  # of the contexts on it

    def close(self) -> None:
        if self.handle:
            llama_cpp.llama_model_free(self.handle)
            self.handle = None

    @cached_property
    def info(self) -> ModelInfo:
        buffer = ctypes.create_string_buffer(256)
        llama_cpp.llama_model_desc(self.handle, buffer, len(buffer))
        architecture = self.metadata("general.architecture") or "unknown"
        return ModelInfo(
            architecture=architecture,
            description=buffer.value.decode(errors="replace"),
            parameters=llama_cpp.llama_model_n_params(self.handle),
            n_ctx_train=llama_cpp.llama_model_n_ctx_train(self.handle),
            size_bytes=llama_cpp.llama_model_size(self.handle),
            has_chat_template=self.chat_template is not None,
            pooling=_POOLINGS.get(self.metadata(f"{architecture}.pooling_type")),
        )

    @cached_property
    def chat_template(self) -> str | None:
        return self._template(None)

    @cached_property
    def tools_template(self) -> str | None:
        """A second template of the file, for conversations with tools."""
        return self._template(b"tool_use")

    def _template(self, name: bytes | None) -> str | None:
        source = llama_cpp.llama_model_chat_template(self.handle, name)
        return source.decode() if source else None

    def metadata(self, key: str) -> str | None:
        buffer = ctypes.create_string_buffer(256)
        length = llama_cpp.llama_model_meta_val_str(self.handle, key.encode(), buffer, len(buffer))
        return buffer.value.decode(errors="replace") if length >= 0 else None

    def recommended(self, name: str) -> float | None:
        """The sampling parameter that the file's author recommends, `general.sampling.*` of the GGUF metadata."""
        value = self.metadata(f"general.sampling.{name}")
        return float(value) if value is not None else None

    # --- vocabulary ---

    @cached_property
    def n_vocab(self) -> int:
        return int(llama_cpp.llama_vocab_n_tokens(self.vocab))

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        data = text.encode("utf-8", errors="replace")
        room = len(data) + 8
        tokens = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self.vocab, data, len(data), tokens, room, add_special, parse_special)
        if count < 0:
            raise EngineError("The text could not be tokenized.")
        return list(tokens[:count])

    def token_text(self, token: int) -> str:
        text = llama_cpp.llama_vocab_get_text(self.vocab, token) if token >= 0 else None
        return text.decode(errors="replace") if text else ""

    @cached_property
    def bos(self) -> str:
        return self.token_text(llama_cpp.llama_vocab_bos(self.vocab))

    @cached_property
    def eos(self) -> str:
        return self.token_text(llama_cpp.llama_vocab_eos(self.vocab))

    @cached_property
    def controls(self) -> list[str]:
        """Texts of the control tokens. One of a single character could not be told from that character."""
        return self._texts(llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN)

    @cached_property
    def tags(self) -> list[str]:
        """Texts of the tags that the file declares: read as one token wherever they stand, and seen in answers."""
        texts = self._texts(llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED)
        return [text for text in texts if text.startswith("<") and text.endswith(">")]

    def _texts(self, kinds: int) -> list[str]:
        numbers = range(self.n_vocab)
        texts = {self.token_text(n) for n in numbers if llama_cpp.llama_vocab_get_attr(self.vocab, n) & kinds}
        return sorted(text for text in texts if len(text) > 1)

    def is_special(self, token: int) -> bool:
        """Whether it stands for more than its text: a control token, or a tag that the file declares."""
        kinds = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED
        return bool(llama_cpp.llama_vocab_get_attr(self.vocab, token) & kinds)

    @cached_property
    def piece(self) -> Callable[[int], bytes]:
        """A token's bytes; control tokens have none."""
        vocab, size = self.vocab, 512

        @lru_cache(maxsize=1 << 16)
        def piece(token: int) -> bytes:
            buffer = ctypes.create_string_buffer(size)  # its own: several threads ask
            length = llama_cpp.llama_token_to_piece(vocab, token, buffer, size, 0, False)
            if length >= 0:
                return buffer.raw[:length]
            room = ctypes.create_string_buffer(-length)
            return room.raw[: llama_cpp.llama_token_to_piece(vocab, token, room, -length, 0, False)]

        return piece

    @cached_property
    def adds_bos(self) -> bool:
        """Whether the tokenizer begins every text with the BOS token."""
        return bool(llama_cpp.llama_vocab_get_add_bos(self.vocab)) and bool(self.bos)

    @cached_property
    def infill(self) -> tuple[int, int, int] | None:
        """The tokens before a beginning, before an ending and before what stands between them; None: it has none."""
        marks = (llama_cpp.llama_vocab_fim_pre, llama_cpp.llama_vocab_fim_suf, llama_cpp.llama_vocab_fim_mid)
        before, after, middle = (int(mark(self.vocab)) for mark in marks)
        return (before, after, middle) if min(before, after, middle) >= 0 else None

    @cached_property
    def longest_piece(self) -> int:
        """Bytes of the longest token there is."""
        return max(1, *(len(self.token_text(token).encode()) for token in range(self.n_vocab)))

    def ends_generation(self, token: int) -> bool:
        return bool(llama_cpp.llama_vocab_is_eog(self.vocab, token))

    # --- settings ---

    def settings(self, asked: LoadSettings) -> EffectiveSettings:
        """What was asked for, and what is usual for the rest. Whether there is memory for it the loader has to know."""
        kv_type: KvType = asked.kv_type or "f16"
        trained = self.info.n_ctx_train
        n_ctx = -(-(asked.n_ctx or min(trained, DEFAULT_CONTEXT)) // 256) * 256  # llama.cpp rounds up to this; say so
        return EffectiveSettings(
            n_ctx=min(n_ctx, trained),
            n_parallel=asked.n_parallel or DEFAULT_PARALLEL,
            n_threads=asked.n_threads or 1,
            n_gpu_layers=asked.n_gpu_layers or 0,
            kv_type=kv_type,
            draft_model=asked.draft_model,
            lora=asked.lora or (),
            n_batch=asked.n_batch or 0,
            n_threads_batch=asked.n_threads_batch or 0,
        )
