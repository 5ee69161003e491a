"""llm, the command line and the library, with a model of `extra-openai-models.yaml`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from scenario import (
    DESCRIBE,
    LIGHT,
    LIGHT_SAID,
    MODEL,
    QUESTION,
    SAID,
    WEATHER,
    get_weather,
    raises,
    run,
    schema_of,
    set_light,
    uml_key,
    uml_url,
)

FOLDER = Path(tempfile.mkdtemp())
os.environ["LLM_USER_PATH"] = str(FOLDER)
(FOLDER / "extra-openai-models.yaml").write_text(f"""
- model_id: local
  model_name: {MODEL}
  api_base: {uml_url()}/v1
  api_key_name: uml
  supports_tools: true
  supports_schema: true
- model_id: unknown
  model_name: nope
  api_base: {uml_url()}/v1
  api_key_name: uml
""")
(FOLDER / "keys.json").write_text(json.dumps({"uml": uml_key()}))

import llm  # noqa: E402  (it reads the folder)


def command(*words: str) -> str:
    return subprocess.run([sys.executable, "-m", "llm", *words], capture_output=True, text=True, check=True).stdout


def chat_and_stream() -> None:
    whole = command("prompt", "-m", "local", "-o", "temperature", "0", "--no-stream", QUESTION)
    assert command("prompt", "-m", "local", "-o", "temperature", "0", QUESTION) == whole
    assert whole.strip()
    pieces = list(llm.get_model("local").prompt(QUESTION, temperature=0))
    assert len(pieces) > 1
    assert "".join(pieces).strip() == whole.strip()


def tools_in_a_loop() -> None:
    model = llm.get_model("local")
    for question, said in ((WEATHER, SAID), (LIGHT, LIGHT_SAID)):
        for stream in (True, False):
            chain = model.chain(question, tools=[get_weather, set_light], stream=stream, options={"temperature": 0})
            assert said in chain.text()


def structured_output() -> None:
    schema = schema_of("room") | {"properties": {"room": {"type": "string", "enum": ["kitchen", "office"]}}}
    answer = llm.get_model("local").prompt(DESCRIBE, schema=schema, temperature=0).text()
    assert json.loads(answer)["room"] in ("kitchen", "office")


def errors() -> None:
    with raises(Exception, "nope"):
        llm.get_model("unknown").prompt(QUESTION).text()


run("llm", chat_and_stream, tools_in_a_loop, structured_output, errors)
