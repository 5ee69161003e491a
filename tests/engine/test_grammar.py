"""Answers that follow a grammar, whatever the model would rather say: here it wants random tokens."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import pytest

from jupyter_uml.demo import demo_model_path
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.sampler import Sampler, prepare
from jupyter_uml.engine.vocabulary import Vocabulary
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import Grammar, ModelSpec, SamplingParams

FREE = SamplingParams(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0)
SCHEMAS: dict[str, dict[str, Any]] = {
    "object": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 12},
            "age": {"type": "integer", "minimum": 0, "maximum": 150},
            "kind": {"enum": ["cat", "dog", "guinea pig"]},
            "alive": {"type": ["boolean", "null"]},
        },
        "required": ["name", "age", "kind"],
        "additionalProperties": False,
    },
    "nested": {
        "type": "object",
        "properties": {
            "where": {
                "type": "object",
                "properties": {"lat": {"type": "number", "minimum": -90, "maximum": 90}},
                "required": ["lat"],
                "additionalProperties": False,
            },
            "tags": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]{1,8}$"}, "maxItems": 3},
        },
        "required": ["where", "tags"],
        "additionalProperties": False,
    },
    "choice": {"anyOf": [{"type": "integer", "minimum": 10, "maximum": 99}, {"const": "none"}]},
    "recursive": {
        "$defs": {
            "list": {
                "type": "object",
                "properties": {"next": {"anyOf": [{"$ref": "#/$defs/list"}, {"type": "null"}]}},
                "required": ["next"],
                "additionalProperties": False,
            }
        },
        "$ref": "#/$defs/list",
    },
}


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    model = Model(ModelSpec("demo", str(demo_model_path())))
    yield model
    model.close()


class Written:
    """One answer of a model that knows nothing. `ended`: by itself, before `room` tokens."""

    def __init__(self, model: Model, params: SamplingParams, seed: int, *, fast: bool = True, room: int = 300) -> None:
        random = np.random.default_rng(seed)
        sampler = Sampler(model, replace(params, seed=seed), [])
        self.tokens: list[int] = []
        self.forced = 0
        while not sampler.ended and len(self.tokens) < room:
            forced = sampler.forced(room - len(self.tokens)) if fast else []
            self.tokens += forced
            self.forced += len(forced)
            if sampler.ended or len(self.tokens) >= room:
                break
            token = sampler.sample(random.normal(0, 2, model.n_vocab).astype(np.float32)).token
            if model.ends_generation(token):
                break
            self.tokens.append(token)
        self.ended = len(self.tokens) < room
        sampler.close()
        self.text = b"".join(model.piece(token) for token in self.tokens).decode(errors="replace")


def schema(content: Any) -> SamplingParams:
    return replace(FREE, grammar=Grammar("json_schema", json.dumps(content)))


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("name", SCHEMAS)
def test_json_that_validates(model: Model, name: str, fast: bool) -> None:
    complete = 0
    for seed in range(25):
        written = Written(model, schema(SCHEMAS[name]), seed, fast=fast)
        if written.ended:
            jsonschema.validate(json.loads(written.text), SCHEMAS[name])
            complete += 1
    assert complete >= 20


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0.0},
        {"temperature": 1.0, "top_k": 5, "top_p": 0.5},
        {"temperature": 1.0, "top_n_sigma": 0.5, "min_p": 0.5},
        {"temperature": 1.0, "mirostat": 2},
        {"temperature": 1.0, "typical_p": 0.3, "xtc_probability": 1.0},
        {"temperature": 1.0, "repeat_penalty": 1.5, "dry_multiplier": 2.0, "ignore_eos": True},
    ],
)
def test_json_validates_with_every_way_of_sampling(model: Model, changes: dict[str, Any]) -> None:
    for seed in range(5):
        written = Written(model, replace(schema(SCHEMAS["object"]), **changes), seed)
        assert written.ended
        jsonschema.validate(json.loads(written.text), SCHEMAS["object"])


def test_json_objects(model: Model) -> None:
    """A random talker hardly ever closes a string, so this one likes to end things."""
    closing = [(model.tokenize(text, add_special=False, parse_special=False)[-1], 12.0) for text in ('"', "}", "]")]
    params = replace(FREE, grammar=Grammar("json_object"), logit_bias=tuple(dict(closing).items()))
    written = [Written(model, params, seed) for seed in range(20)]
    assert sum(one.ended for one in written) >= 15
    assert all(isinstance(json.loads(one.text), dict) for one in written if one.ended)


@pytest.mark.parametrize(
    ("grammar", "pattern"),
    [
        (Grammar("regex", "[a-c]{3}-[0-9]{2}"), "[a-c]{3}-[0-9]{2}"),
        (Grammar("regex", "(yes|no|ü{2})"), "yes|no|üü"),
        (Grammar("lark", 'start: "yes" | "no " NAME\nNAME: /[a-z]{3,8}/'), "yes|no [a-z]{3,8}"),
    ],
)
def test_other_grammars(model: Model, grammar: Grammar, pattern: str) -> None:
    for seed in range(20):
        written = Written(model, replace(FREE, grammar=grammar), seed)
        assert written.ended
        assert re.fullmatch(pattern, written.text), written.text


def test_what_is_known_beforehand_is_not_sampled(model: Model) -> None:
    """The forced tokens are those that the tokenizer makes of the text, not any others that spell it too."""
    written = Written(model, schema(SCHEMAS["nested"]), 1)
    assert written.text.startswith('{"where":{"lat":')
    assert written.forced >= 5
    begin = model.tokenize('{"where":{"lat', add_special=False, parse_special=False)
    assert written.tokens[: len(begin) - 1] == begin[:-1]


def test_forced_tokens_keep_to_their_room(model: Model) -> None:
    params = replace(FREE, grammar=Grammar("regex", "abcdefghijklmnopqrstuvwxyz0123456789{3}"), logprobs=None)
    sampler = Sampler(model, params, [])
    assert sampler.forced(0) == []
    first = sampler.forced(2)
    rest = sampler.forced(1000)
    sampler.close()
    whole = Sampler(model, params, [])
    assert len(first) == 2
    assert first + rest == whole.forced(1000)
    whole.close()
    with_logprobs = Sampler(model, replace(params, logprobs=0), [])
    assert with_logprobs.forced(100) == []
    with_logprobs.close()


def test_a_second_draw_keeps_the_proportions(model: Model) -> None:
    """Two allowed letters in the proportion 3 : 1, and a forbidden one that is drawn first half of the time."""
    a, b, c = (model.tokenize(letter, add_special=False, parse_special=False)[0] for letter in "abc")
    drawn: Counter[int] = Counter()
    sampler = Sampler(model, replace(FREE, seed=5, grammar=Grammar("regex", "[ab]{4000}")), [])
    for _ in range(4000):
        row = np.full(model.n_vocab, -40, np.float32)
        row[[a, b, c]] = np.log([0.375, 0.125, 0.5])
        drawn[sampler.sample(row).token] += 1
    assert sampler.ended
    sampler.close()
    assert set(drawn) == {a, b}
    assert drawn[a] / 4000 == pytest.approx(0.75, abs=0.03)


def test_the_end_comes_only_where_the_grammar_is_complete(model: Model) -> None:
    end = next(token for token in range(model.n_vocab) if model.ends_generation(token))
    sampler = Sampler(model, replace(FREE, grammar=Grammar("regex", "[a-z]{2}[a-z]*")), [])
    wish = np.zeros(model.n_vocab, np.float32)
    wish[end] = 100.0
    text = b""
    while (token := sampler.sample(wish.copy()).token) != end:
        assert len(text) < 2
        text += model.piece(token)
    assert re.fullmatch(rb"[a-z]{2,}", text)
    sampler.close()


def test_one_grammar_serves_many_answers(model: Model) -> None:
    params = schema(SCHEMAS["object"])
    first, second = (Sampler(model, params, []) for _ in range(2))
    opening = first.forced(100)
    assert opening == second.forced(100)
    first.close()
    row = np.zeros(model.n_vocab, np.float32)
    assert second.sample(row).token >= 0
    second.close()


@pytest.mark.parametrize(
    ("grammar", "param"),
    [
        (Grammar("json_schema", "{"), "response_format"),
        (Grammar("json_schema", "[]"), "response_format"),
        (Grammar("json_schema", '{"type": "nonsense"}'), "response_format"),
        (Grammar("json_schema", '{"not": {}}'), "response_format"),
        (Grammar("json_schema", '{"$ref": "#"}'), "response_format"),
        (Grammar("json_schema", '{"$ref": "https://example.org/schema"}'), "response_format"),
        (Grammar("json_schema", '{"type": "integer", "multipleOf": 999983}'), "response_format"),
        (Grammar("json_schema", '{"type": "integer", "multiple\\u004ff": 1e99999}'), "response_format"),
        (Grammar("json_schema", '{"items":' * 2000 + "{}" + "}" * 2000), "response_format"),
        (Grammar("json_schema", '{"title": "' + "x" * 200_000 + '"}'), "response_format"),
        (
            Grammar(
                "json_schema",
                '{"allOf": ['
                + ",".join([f'{{"anyOf":[{{"required":["a{n}"]}},{{"required":["b{n}"]}}]}}' for n in range(20)])
                + "]}",
            ),
            "response_format",
        ),
        (Grammar("regex", "("), "grammar"),
        (Grammar("regex", "(?=a)b"), "grammar"),
        (Grammar("regex", "\ud800"), "grammar"),
        (Grammar("lark", "start: missing"), "grammar"),
        (Grammar("lark", "start: start"), "grammar"),
        (Grammar("lark", "start: " + "(" * 5000 + '"a"' + ")" * 5000), "grammar"),
    ],
)
def test_hostile_grammars_are_refused_in_time(model: Model, grammar: Grammar, param: str) -> None:
    started = time.monotonic()
    with pytest.raises(InvalidRequest) as caught:
        prepare(model, grammar)
    assert caught.value.param == param
    assert len(caught.value.message) < 500
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "grammar",
    [
        Grammar("json_schema", json.dumps(content))
        for content in (
            {"type": "string", "maxLength": 20_000},
            {"type": "string", "minLength": 10**9},
            {"type": "array", "items": {"type": "integer"}, "minItems": 10**6},
            {"type": "string", "pattern": "^(a|b)*a(a|b){18}$"},
            {"type": "string", "pattern": "^.*a.{30}b.{100}$"},
            {"enum": [f"x{number}" for number in range(5000)]},
            {"type": "object", "properties": {f"k{number}": {"type": "string"} for number in range(300)}},
        )
    ]
    + [
        Grammar("regex", "a{1000000}"),
        Grammar("regex", "((((a{1,100}){1,100}){1,100}){1,100})"),
        Grammar("lark", 'start: e\ne: e e | "a" | "b" | e "+" e'),
        Grammar("lark", "start: <|im_end|>"),
    ],
)
def test_large_grammars_take_their_time_but_not_much(model: Model, grammar: Grammar) -> None:
    started = time.monotonic()
    for seed in range(2):
        with contextlib.suppress(InvalidRequest):
            Written(model, replace(FREE, grammar=grammar), seed, room=50)
    assert time.monotonic() - started < 5


def test_a_grammar_and_biases_that_leave_nothing(model: Model) -> None:
    banned = tuple((token, -100.0) for token in range(model.n_vocab) if b"a" in model.piece(token))
    sampler = Sampler(model, replace(FREE, grammar=Grammar("regex", "aa"), logit_bias=banned), [])
    assert sampler.forced(10) == []
    with pytest.raises(InvalidRequest) as caught:
        sampler.sample(np.zeros(model.n_vocab, np.float32))
    assert caught.value.param == "grammar"
    sampler.close()


def test_a_model_without_an_end_token_still_ends_by_its_grammar(model: Model) -> None:
    words = Vocabulary(model)
    words.__dict__["ends"] = ()
    matcher = words.compiled(Grammar("regex", "ab?")).deep_copy()
    assert words.tokenizer.vocab_size == model.n_vocab + 1
    assert matcher.try_consume_tokens(model.tokenize("ab", add_special=False, parse_special=False)) > 0
    assert matcher.is_stopped()
