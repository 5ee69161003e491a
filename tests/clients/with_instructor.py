"""instructor: pydantic models out of a tool call, and out of a schema."""

from __future__ import annotations

from typing import Any

import instructor
import openai
from pydantic import BaseModel, Field
from scenario import DESCRIBE, MODEL, Lamp, raises, run, uml_key, uml_url, worker_killed

ARGUMENTS: Any = {"model": MODEL, "messages": [{"role": "user", "content": DESCRIBE}], "temperature": 0}
MODES = (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA)


def client(mode: instructor.Mode, retries: int = 0) -> instructor.Instructor:
    sdk = openai.OpenAI(base_url=f"{uml_url()}/v1", api_key=uml_key(), max_retries=retries)
    return instructor.from_openai(sdk, mode=mode)


def structured_output() -> None:
    for mode in MODES:
        lamp = client(mode).chat.completions.create(response_model=Lamp, **ARGUMENTS)
        assert isinstance(lamp, Lamp)


def stream() -> None:
    for mode in MODES:
        lamps = list(client(mode).chat.completions.create_partial(response_model=Lamp, **ARGUMENTS))
        assert len(lamps) > 1
        Lamp.model_validate(lamps[-1].model_dump())


def errors() -> None:
    with raises(Exception, "nope"):
        client(MODES[0]).chat.completions.create(response_model=Lamp, **{**ARGUMENTS, "model": "nope"})


class Letters(BaseModel):
    text: str = Field(min_length=200, max_length=200)


def retries() -> None:
    with worker_killed(uml_url(), uml_key(), MODEL):
        letters = client(MODES[1], 3).chat.completions.create(response_model=Letters, **ARGUMENTS)
    assert len(letters.text) == 200


run("instructor", structured_output, stream, errors, retries)
