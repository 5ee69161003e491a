"""The native types: what a request, a piece of an answer and a model are, in every layer and on both sides of the pipe.

They are plain frozen dataclasses, without defaults that depend on a machine and without behaviour that needs a library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Generic, Literal, Self, TypeVar

Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "aborted"]
ModelState = Literal["available", "loading", "loaded", "unloading", "restarting", "failed"]
KvType = Literal["f16", "q8_0", "q4_0"]
Priority = Literal["interactive", "batch"]
Truncation = Literal["middle", "oldest_messages"]
Pooling = Literal["mean", "cls", "last", "rank"]
GrammarKind = Literal["json_schema", "json_object", "regex", "lark"]
ToolChoice = Literal["auto", "none", "required"]
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]

MAX_STOP_STRINGS = 16
MAX_TOP_LOGPROBS = 20
MAX_INPUTS = 2048  # texts of one request for embeddings, ranks, scores or tokens
# Where an image stands in the text of a message. A noncharacter of Unicode, which is taken out of what people write.
IMAGE_MARK = "\ufdd1"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the model wants to have called. `arguments`: a JSON object, as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """A turn of a conversation. `images`: encoded files (PNG, JPEG, …), one for each `IMAGE_MARK` in `content`."""

    role: Role
    content: str
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()  # of the assistant
    tool_call_id: str | None = None  # which call a message of the role `tool` answers
    reasoning: str | None = None  # what the assistant thought before it said `content`
    images: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call. `parameters`: the JSON schema of its arguments, as JSON text."""

    name: str
    description: str = ""
    parameters: str = '{"type":"object","properties":{}}'
    strict: bool = False  # arguments always satisfy the schema


@dataclass(frozen=True, slots=True)
class Grammar:
    """What an answer must look like. `source`: a JSON schema as JSON text, a regular expression, a Lark grammar."""

    kind: GrammarKind
    source: str = ""  # empty for `json_object`: any JSON object
    param: str | None = None  # the field of the request that asks for it, for errors


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How the next token is chosen. None means: as the model's file recommends, else llama.cpp's own default."""

    max_tokens: int | None = None  # None: until the context is full
    temperature: float | None = None  # 0 takes the likeliest token
    top_k: int | None = None  # 0 switches it off
    top_p: float | None = None
    min_p: float | None = None
    seed: int | None = None  # None: a new one for each request
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64  # tokens, of prompt and answer, that the three penalties look back; -1: all of them
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False  # never end before max_tokens or a full context
    logit_bias: tuple[tuple[int, float], ...] = ()  # added to the logits of these tokens; -100 and less forbids one
    logprobs: int | None = None  # report each token's log-probability, and so many alternatives; None: nothing
    grammar: Grammar | None = None
    typical_p: float = 1.0
    top_n_sigma: float = -1.0  # negative: off
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_penalty_last_n: int = 64
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    mirostat: int = 0  # 1 or 2: version, instead of the cutting samplers
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    dynatemp_range: float = 0.0
    dynatemp_exponent: float = 1.0


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One sequence to be generated: either `messages`, rendered by the model's chat template, or a raw `prompt`.

    Messages that end with one of the assistant are gone on with: the answer is the rest of that message.
    """

    id: str
    model: str
    messages: tuple[Message, ...] = ()
    prompt: str | tuple[int, ...] | None = None
    params: SamplingParams = field(default_factory=SamplingParams)
    principal: str = "local"  # whose prefix cache is used
    priority: Priority = "interactive"  # a batch request gives way, also in the middle of its answer
    truncate: Truncation | None = None  # how to shorten a prompt that does not fit; None: refuse it
    context_shift: bool = False  # a full context forgets its oldest half instead of ending the answer
    deterministic: bool = False  # the same request gives the same tokens, whatever else runs; slower
    suffix: str | None = None  # of a raw prompt: what shall follow the answer, for models that can fill in the middle
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    tool_name: str | None = None  # the tool that must be called
    parallel_tool_calls: bool = True  # else one call at most
    reasoning_effort: ReasoningEffort | None = None  # None: as the model's template does by itself
    reasoning_budget: int | None = None  # tokens after which reasoning is ended; 0: none at all
    template_options: tuple[tuple[str, bool | int | float | str], ...] = ()  # further variables of the chat template


R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class SideRequest(Generic[R_co]):
    """What is asked for beside answers; its result is an `R_co`."""

    id: str
    model: str


@dataclass(frozen=True, slots=True)
class PromptRequest(SideRequest["RenderedPrompt"]):
    """What would the prompt of this request be? Nothing is generated."""

    request: GenerateRequest


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """`text`: what the tokens stand for, control tokens written out."""

    request_id: str
    tokens: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class TokenizeRequest(SideRequest["Tokenized"]):
    """Texts to be made into tokens, or tokens into text."""

    inputs: tuple[str | tuple[int, ...], ...]
    add_special: bool = True  # such as the token that begins every text
    parse_special: bool = True


@dataclass(frozen=True, slots=True)
class Tokenized:
    """The tokens of each input and the bytes of each token; control tokens are written out."""

    request_id: str
    tokens: tuple[tuple[int, ...], ...]
    pieces: tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True, slots=True)
class EmbedRequest(SideRequest["Rows"]):
    """Texts, or their tokens, each to become a vector."""

    inputs: tuple[str | tuple[int, ...], ...]
    pooling: Pooling | None = None  # None: as the model's file says, else the mean
    normalize: bool = True  # to length 1
    dimensions: int | None = None  # only the first ones, for models trained for it


@dataclass(frozen=True, slots=True)
class RankRequest(SideRequest["Rows"]):
    """Documents to be scored by how well they answer a query, by a model with a classifier."""

    query: str
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScoreRequest(SideRequest["Scores"]):
    """Texts, or their tokens: how likely is each token, given those before it?"""

    inputs: tuple[str | tuple[int, ...], ...]
    top: int = 0  # report so many alternatives of each token, too


@dataclass(frozen=True, slots=True)
class Rows:
    """The result of such a request: float32 numbers, in this machine's byte order, for each input or document.

    An embedding, or the scores of a classifier's labels.
    """

    request_id: str
    values: tuple[bytes, ...]
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request. `cached_tokens` of the prompt's tokens were found in the KV cache."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    truncated_tokens: int = 0  # prompt tokens left out, because the request asked for `truncate`
    drafted_tokens: int = 0  # guessed ahead by speculation
    accepted_tokens: int = 0  # and of these, the ones that were right
    reasoning_tokens: int = 0  # of the completion's

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds, measured in the engine."""

    queue: float = 0.0  # from arrival to the first prompt token
    first_token: float = 0.0  # from arrival to the first token of the answer
    total: float = 0.0

    def tokens_per_second(self, completion_tokens: int) -> float | None:
        """Decode rate: tokens after the first, over the time after the first."""
        span = self.total - self.first_token
        return (completion_tokens - 1) / span if completion_tokens > 1 and span > 0 else None


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token that could stand at a place, and the natural logarithm of its probability before any sampling."""

    token: int
    piece: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """The token that was chosen, and the likeliest ones, best first."""

    chosen: Alternative
    top: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class Scores:
    """For each input the log-probability of each token after the first, in order, and the tokens."""

    request_id: str
    logprobs: tuple[tuple[TokenLogprob, ...], ...]
    prompt_tokens: int


SideResult = Rows | Scores | Tokenized | RenderedPrompt


@dataclass(frozen=True, slots=True)
class CallDelta:
    """A piece of a tool call. The first one of a call has its `id` and `name`; the pieces of `arguments` are joined."""

    index: int  # which call of the answer
    arguments: str = ""
    id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one answer. The last chunk of a request has `finish_reason`; no chunk follows it.

    `finish_reason` says why it ended, `stop_reason` which string or token did it.
    """

    request_id: str
    text: str = ""
    tokens: int = 0
    finish_reason: FinishReason | None = None
    stop_reason: str | int | None = None
    usage: Usage | None = None
    timings: Timings | None = None
    logprobs: tuple[TokenLogprob, ...] = ()  # of the tokens of this chunk's text, where they were asked for
    reasoning: str = ""
    calls: tuple[CallDelta, ...] = ()


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA adapter of the catalog, and how strongly it is applied."""

    id: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """What a caller may ask for when a model is loaded. None: the loader or the model's file decides."""

    n_ctx: int | None = None  # tokens for each sequence, prompt and answer together
    n_parallel: int | None = None  # sequences that run side by side
    n_threads: int | None = None
    n_gpu_layers: int | None = None
    kv_type: KvType | None = None
    draft_model: str | None = None  # id of a smaller model of the same family, which guesses ahead
    lora: tuple[Lora, ...] | None = None

    def asked(self) -> dict[str, Any]:
        """Only the fields that were given."""
        return {k: v for k, v in asdict(self).items() if v is not None}


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Where a worker keeps the computed states of prompts beside its KV cache, and how many bytes of them."""

    ram_bytes: int = 0
    folder: str | None = None  # None: nothing is written to disk
    disk_bytes: int = 0
    worth_seconds: float = 0.5  # a prompt that takes longer to compute is written to disk


@dataclass(frozen=True, slots=True)
class LoraFile:
    """A LoRA adapter to be applied to a model, and how strongly."""

    id: str
    path: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """All that a worker is told: it reads no environment, no argument and no configuration of its own."""

    id: str
    path: str
    settings: LoadSettings = field(default_factory=LoadSettings)
    memory_limit: int | None = None  # bytes that the load may take; None: not limited
    cache: CacheSettings = field(default_factory=CacheSettings)
    lora: tuple[LoraFile, ...] = ()
    draft_path: str | None = None  # the draft model's file
    projector_path: str | None = None  # the file by which the model sees images


@dataclass(frozen=True, slots=True)
class EffectiveSettings:
    """What a loaded model really runs with."""

    n_ctx: int
    n_parallel: int
    n_threads: int
    n_gpu_layers: int
    kv_type: KvType
    draft_model: str | None = None
    lora: tuple[Lora, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model's file says about it."""

    architecture: str
    description: str
    parameters: int
    n_ctx_train: int
    size_bytes: int
    has_chat_template: bool
    sha256: str | None = None  # of the file, where it is known without reading all of it
    chat_format: str = "plain"  # how the model writes tool calls and reasoning, by name
    can_reason: bool = False
    can_see: bool = False  # a projector for images is there
    can_infill: bool = False  # it has tokens for filling in the middle
    pooling: Pooling | None = None  # what the file says about embeddings; None: nothing


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A row of `GET models`."""

    id: str
    state: ModelState
    size_bytes: int
    source: str
    progress: float | None = None  # 0 to 1 while loading
    error: Mapping[str, Any] | None = None  # why the state is `failed`
    pid: int | None = None
    memory_bytes: int | None = None  # private and shared pages in use by the worker
    active: int = 0  # requests running or queued
    tokens_per_second: float | None = None  # all answers together, over the last seconds
    settings: EffectiveSettings | None = None
    info: ModelInfo | None = None

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`; fields of a newer server are passed over."""
        known = {f.name: row[f.name] for f in fields(cls) if f.name in row}
        if known.get("settings"):
            settings = dict(known["settings"])
            settings["lora"] = tuple(Lora(**lora) for lora in settings.get("lora", ()))
            known["settings"] = EffectiveSettings(**settings)
        if known.get("info"):
            known["info"] = ModelInfo(**known["info"])
        return cls(**known)
