"""The fields about sampling that OpenAI's bodies share: OpenAI's own, and beside them llama.cpp's under its names."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from jupyter_uml.protocol.body import ModelBody, StrictBody
from jupyter_uml.protocol.endpoint import Caller
from jupyter_uml.protocol.json_schema import MAX_SCHEMA_BYTES, schema_text
from jupyter_uml.types import MAX_STOP_STRINGS, Grammar, Priority, SamplingParams, Truncation

MAX_BIASES = 1024
MAX_WINDOW = 1 << 20
_PARAMS = frozenset(field.name for field in fields(SamplingParams))
_LIMITS = dict.fromkeys(("max_completion_tokens", "max_output_tokens"), "max_tokens")  # other names of it
_Finite = {"allow_inf_nan": False}
Share = Annotated[float, Field(ge=0, le=1, **_Finite)]
Factor = Annotated[float, Field(ge=0, le=100, **_Finite)]
Penalty = Annotated[float, Field(ge=-2, le=2, **_Finite)]
Window = Annotated[int, Field(ge=-1, le=MAX_WINDOW)]
StopString = Annotated[str, Field(min_length=1, max_length=1024)]
TokenNumber = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,8})$")]


class TextFormat(StrictBody):
    type: Literal["text"]

    def grammar(self) -> Grammar | None:
        return None


class JsonObjectFormat(StrictBody):
    type: Literal["json_object"]

    def grammar(self) -> Grammar | None:
        return Grammar("json_object")


class JsonSchema(StrictBody):
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: Annotated[str, Field(max_length=8192)] | None = None
    content: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None

    @field_validator("content")
    @classmethod
    def _is_bounded(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        schema_text(value or {})
        return value

    def grammar(self) -> Grammar:
        """Without `strict`, keywords of JSON schema that are not implemented are passed over, as at OpenAI's."""
        if self.content is None:
            return Grammar("json_object")
        more = {} if self.strict else {"x-guidance": {"lenient": True}}
        return Grammar("json_schema", schema_text({**self.content, **more}))


class JsonSchemaFormat(StrictBody):
    type: Literal["json_schema"]
    json_schema: JsonSchema

    def grammar(self) -> Grammar | None:
        return self.json_schema.grammar()


ResponseFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]


class GrammarField(StrictBody):
    """A regular expression, or a grammar in llguidance's dialect of Lark."""

    kind: Literal["regex", "lark"]
    source: Annotated[str, Field(min_length=1, max_length=MAX_SCHEMA_BYTES)]


class SamplingBody(ModelBody):
    """A field that is left out keeps the default of the model or of `SamplingParams`, where its meaning stands too."""

    temperature: Annotated[float, Field(ge=0, le=2, **_Finite)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, **_Finite)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1 << 20)] | None = None
    min_p: Share | None = None
    seed: Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repeat_penalty: Annotated[float, Field(gt=0, le=2, **_Finite)] | None = None
    repeat_last_n: Window | None = None
    stop: StopString | Annotated[list[StopString], Field(max_length=MAX_STOP_STRINGS)] | None = None
    ignore_eos: bool | None = None
    logit_bias: (
        Annotated[dict[TokenNumber, Annotated[float, Field(ge=-100, le=100, **_Finite)]], Field(max_length=MAX_BIASES)]
        | None
    ) = None
    response_format: ResponseFormat | None = None
    grammar: GrammarField | None = None
    typical_p: Annotated[float, Field(gt=0, le=1, **_Finite)] | None = None
    top_n_sigma: Annotated[float, Field(ge=-1, le=100, **_Finite)] | None = None
    xtc_probability: Share | None = None
    xtc_threshold: Share | None = None
    dry_multiplier: Factor | None = None
    dry_base: Factor | None = None
    dry_allowed_length: Annotated[int, Field(ge=0, le=MAX_WINDOW)] | None = None
    dry_penalty_last_n: Window | None = None
    dry_sequence_breakers: (
        Annotated[list[Annotated[str, Field(min_length=1, max_length=40)]], Field(max_length=16)] | None
    ) = None
    mirostat: Annotated[int, Field(ge=0, le=2)] | None = None
    mirostat_tau: Factor | None = None
    mirostat_eta: Share | None = None
    dynatemp_range: Annotated[float, Field(ge=0, le=2, **_Finite)] | None = None
    dynatemp_exponent: Factor | None = None
    service_tier: Literal["auto", "default", "flex", "priority"] | None = None
    priority: Priority | None = None
    truncate: Truncation | None = None
    deterministic: bool | None = None
    context_shift: bool | None = None

    @property
    def tier(self) -> dict[str, str]:
        """What an answer says about the `service_tier` that was asked for: the one that was given."""
        if self.service_tier is None:
            return {}
        return {"service_tier": "flex" if self._priority == "batch" else "default"}

    @field_validator("*", mode="before")
    @classmethod
    def _whole_numbers(cls, value: Any) -> Any:
        # 1 is a number to every JSON writer; strict pydantic wants 1.0 for a float and refuses 1.0 for an int.
        return int(value) if isinstance(value, float) and value.is_integer() else value

    @field_validator("grammar")
    @classmethod
    def _is_the_only_one(cls, value: GrammarField | None, info: Any) -> GrammarField | None:
        form = info.data.get("response_format")
        if value is not None and form is not None and form.type != "text":
            raise ValueError("an answer follows either a grammar or a response_format")
        return value

    def sampling(self, max_tokens: int | None, logprobs: int | None) -> SamplingParams:
        same = _PARAMS - {"max_tokens", "stop", "logit_bias", "grammar", "logprobs"}
        given = {name: value for name in same if (value := getattr(self, name, None)) is not None}
        if self.dry_sequence_breakers is not None:
            given["dry_sequence_breakers"] = tuple(self.dry_sequence_breakers)
        return SamplingParams(
            max_tokens=max_tokens,
            stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()),
            logit_bias=tuple((int(token), bias) for token, bias in (self.logit_bias or {}).items()),
            logprobs=logprobs,
            grammar=self._grammar(),
            **given,
        )

    @property
    def _priority(self) -> Priority:
        return self.priority or ("batch" if self.service_tier == "flex" else "interactive")

    def _grammar(self) -> Grammar | None:
        if self.grammar is not None:
            return Grammar(self.grammar.kind, self.grammar.source)
        return self.response_format.grammar() if self.response_format is not None else None

    @property
    def _given(self) -> frozenset[str]:
        """Which fields of `SamplingParams` the request says something about."""
        said = {_LIMITS.get(name, name) for name in self.model_fields_set if getattr(self, name) is not None}
        return frozenset(said & _PARAMS)

    def handling(self, caller: Caller) -> dict[str, Any]:
        """The fields of `GenerateRequest` that say how it is treated."""
        return {
            "principal": caller.principal,
            "hold": caller.holding(self.keep_alive),
            "given": self._given,
            "priority": self._priority,
            "truncate": self.truncate,
            "deterministic": bool(self.deterministic),
            "context_shift": bool(self.context_shift),
        }
