"""What a profile says about requests counts where they say nothing themselves, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.catalog.defaults import with_defaults
from jupyter_uml.loader.catalog.profiles import ProfileFolder
from jupyter_uml.protocol.anthropic.body import MessagesBody
from jupyter_uml.protocol.body import parse
from jupyter_uml.protocol.endpoint import Caller
from jupyter_uml.protocol.images import ImageReader
from jupyter_uml.protocol.openai.chat import ChatCompletionBody
from jupyter_uml.protocol.openai.completions import TextCompletionBody
from jupyter_uml.types import IMAGE_MARK, GenerateRequest, Message, PromptRequest, SamplingParams, TokenizeRequest

PROFILE = f"""
model = "demo"
aliases = ["cook"]
system_prompt = "You are a {IMAGE_MARK}cook."
[sampling]
temperature = 0.25
repeat_penalty = 1.5
max_tokens = 40
stop = ["END"]
"""
CALLER = Caller("me", "0" * 24)
HELLO = (Message("user", "Hello"),)
ASKED = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    (tmp_path / "chef.toml").write_text(PROFILE)
    return Catalog(profiles=ProfileFolder(tmp_path))


def chat(**fields: Any) -> GenerateRequest:
    body = {"model": "chef", "messages": ASKED} | fields
    return parse(ChatCompletionBody, json.dumps(body).encode()).to_native(CALLER)[0]


def text(**fields: Any) -> GenerateRequest:
    body = {"model": "chef", "prompt": "Hello"} | fields
    return parse(TextCompletionBody, json.dumps(body).encode()).to_native(CALLER)[0]


def message(**fields: Any) -> GenerateRequest:
    body = {"model": "chef", "messages": ASKED, "max_tokens": 9} | fields
    return parse(MessagesBody, json.dumps(body).encode()).to_native(CALLER, ImageReader())


DEFAULTS = SamplingParams(max_tokens=40, temperature=0.25, repeat_penalty=1.5, stop=("END",))


@pytest.mark.parametrize("model", ["chef", "cook", "Chef"])
def test_what_a_request_leaves_open_is_as_the_profile_says(catalog: Catalog, model: str) -> None:
    made = with_defaults(catalog, chat(model=model))
    assert made.params == DEFAULTS
    assert made.messages == (Message("system", "You are a cook."), *HELLO)
    assert made.model == model


@pytest.mark.parametrize("model", ["demo", "nothing"])
def test_other_models_are_not_concerned(catalog: Catalog, model: str) -> None:
    assert with_defaults(catalog, chat(model=model)) == chat(model=model)


def test_a_profile_with_its_models_name_is_for_all_who_ask_that_model(tmp_path: Path) -> None:
    (tmp_path / "demo.toml").write_text(PROFILE)
    assert with_defaults(Catalog(profiles=ProfileFolder(tmp_path)), chat(model="demo")).params == DEFAULTS


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (chat(temperature=0.0, repeat_penalty=1.0, stop=[]), {"max_tokens": 40, "temperature": 0.0}),
        (chat(max_completion_tokens=3, temperature=None), {"max_tokens": 3, "temperature": 0.25}),
        (text(), {"max_tokens": 40, "temperature": 0.25}),
        (text(max_tokens=16), {"max_tokens": 16, "temperature": 0.25}),
        (message(temperature=1), {"max_tokens": 9, "temperature": 1.0}),
        (message(stop_sequences=[]), {"max_tokens": 9, "temperature": 0.25, "stop": ()}),
    ],
)
def test_what_a_request_says_counts_also_where_it_is_the_usual(
    catalog: Catalog, request_: GenerateRequest, expected: dict[str, Any]
) -> None:
    params = with_defaults(catalog, request_).params
    assert {name: getattr(params, name) for name in expected} == expected


def test_the_usual_value_that_is_given_is_kept(catalog: Catalog) -> None:
    params = with_defaults(catalog, chat(repeat_penalty=1.0, stop=[])).params
    assert (params.repeat_penalty, params.stop) == (1.0, ())


def test_a_native_request_without_word_of_what_was_given(catalog: Catalog) -> None:
    """What differs from the usual has been given."""
    request = GenerateRequest("r", "chef", HELLO, params=SamplingParams(temperature=0.0, stop=()))
    assert with_defaults(catalog, request).params == SamplingParams(
        temperature=0.0, max_tokens=40, repeat_penalty=1.5, stop=("END",)
    )


@pytest.mark.parametrize("role", ["system", "developer"])
def test_instructions_of_the_request_stand_alone(catalog: Catalog, role: Any) -> None:
    given = chat(messages=[*ASKED, {"role": role, "content": "Be brief."}])
    assert with_defaults(catalog, given).messages == given.messages


def test_a_text_has_no_instructions(catalog: Catalog) -> None:
    assert with_defaults(catalog, text()).messages == ()


def test_the_prompt_that_is_counted_is_the_one_that_is_answered(catalog: Catalog) -> None:
    request = PromptRequest("r", "chef", chat())
    assert with_defaults(catalog, request).request == with_defaults(catalog, chat())


def test_other_work_is_left_as_it_is(catalog: Catalog) -> None:
    request = TokenizeRequest("r", "chef", ("Hello",))
    assert with_defaults(catalog, request) is request
