"""What is asked of a model, and the pieces of what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from jupyter_uml.types.generations import GenerationLabel
from jupyter_uml.types.models import Hold, Pooling, Speed

Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "aborted"]
Priority = Literal["interactive", "batch"]
Truncation = Literal["middle", "oldest_messages"]
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
class Gap:
    """A place in a text of some `language`, a program's as a rule, where something is to be written. Of what stands
    before and after it, what does not fit is left out where it is farthest."""

    prefix: str
    suffix: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One sequence to be generated: `messages`, rendered by the model's chat template, a raw `prompt`, or a `gap`.

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
    gap: Gap | None = None  # filled by the model's tokens for that, else by going on with the text before it
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    tool_name: str | None = None  # the tool that must be called
    parallel_tool_calls: bool = True  # else one call at most
    reasoning_effort: ReasoningEffort | None = None  # None: as the model's template does by itself
    reasoning_budget: int | None = None  # tokens after which reasoning is ended; 0: none at all
    template_options: tuple[tuple[str, bool | int | float | str], ...] = ()  # further variables of the chat template
    variant: int = 0  # which of several answers to one prompt: with a seed, each draws differently
    hold: Hold = field(default_factory=Hold)  # how long the model stays loaded after it
    label: GenerationLabel | None = None  # the answer is kept for whoever comes back; None: it ends with its reader
    # Which fields of `params` the caller gave, also where they have their default; None: those that differ from it.
    given: frozenset[str] | None = field(default=None, compare=False)

    @property
    def seed(self) -> int | None:
        """Of its draws: the first variant's is the one that was asked for."""
        return None if self.params.seed is None else self.params.seed + self.variant


R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class SideRequest(Generic[R_co]):
    """What is asked for beside answers; its result is an `R_co`."""

    id: str
    model: str
    hold: Hold = field(default_factory=Hold, kw_only=True)


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


@dataclass(frozen=True, slots=True)
class MeasureRequest(SideRequest["Measured"]):
    """How fast does the model compute? `threads`: how many to try, first what a load takes without any advice."""

    threads: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of a measurement."""

    request_id: str
    speed: Speed


SideResult = Rows | Scores | Tokenized | RenderedPrompt | Measured


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

    `finish_reason` says why it ended, `stop_reason` which string or token did it; of "length" which limit, "max_tokens"
    (also a profile's) or "context", where that is known.
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
