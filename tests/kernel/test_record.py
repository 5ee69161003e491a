"""What is kept of an answer: enough to name every difference, no text, and readable whatever has become of the file."""

import json
from dataclasses import replace

import pytest

from jupyter_uml.client import Answer
from jupyter_uml.kernel.origin import Origin
from jupyter_uml.kernel.record import AnswerRecord
from jupyter_uml.types import (
    EffectiveSettings,
    GenerateRequest,
    Grammar,
    Message,
    ModelInfo,
    ModelProfile,
    ModelStatus,
    SamplingParams,
    Tool,
    ToolCall,
)

INFO = ModelInfo("llama", "", 1, 4096, 1, True, sha256="a" * 64, template_sha256="b" * 64, engine="build 1")
STATUS = ModelStatus("demo", "loaded", 1, "", settings=EffectiveSettings(4096, 4, 1, 0, "f16"), info=INFO)
REQUEST = GenerateRequest(
    "0" * 32, "demo", (Message("user", "secret question"),), params=SamplingParams(seed=3, temperature=0.0)
)
ANSWER = Answer("secret answer", "demo", "stop")


def record(request: GenerateRequest = REQUEST, answer: Answer = ANSWER, status: ModelStatus = STATUS) -> AnswerRecord:
    return AnswerRecord.of(request).ended(answer, Origin.of(status))


def told(before: AnswerRecord, now: AnswerRecord) -> dict[str, tuple[object, object]]:
    return {each.what: (each.before, each.now) for each in before.differences(now)}


def with_params(**params: object) -> GenerateRequest:
    return replace(REQUEST, params=replace(REQUEST.params, **params))  # type: ignore[arg-type]


def with_settings(**settings: object) -> ModelStatus:
    assert STATUS.settings is not None
    return replace(STATUS, settings=replace(STATUS.settings, **settings))  # type: ignore[arg-type]


def with_info(**info: object) -> ModelStatus:
    return replace(STATUS, info=replace(INFO, **info))  # type: ignore[arg-type]


def test_a_record_survives_a_notebook_file_and_holds_no_text() -> None:
    written = json.dumps(record().to_dict())
    assert AnswerRecord.from_dict(json.loads(written)) == record()
    assert "secret" not in written
    assert (record().model_sha256, record().seed, record().state) == ("a" * 64, 3, "done")
    assert record(answer=replace(ANSWER, finish_reason="aborted")).state == "stopped"


def test_the_same_has_no_differences() -> None:
    again = replace(REQUEST, id="1" * 32, principal="somebody", priority="batch")
    assert told(record(), record(again, status=with_settings(n_threads=8, n_parallel=1))) == {}


def test_a_call_is_known_by_what_it_says_not_by_its_drawn_id() -> None:
    def after_a_call(call_id: str, arguments: str = "{}") -> GenerateRequest:
        call = ToolCall(call_id, "f", arguments)
        turns = (Message("assistant", "", tool_calls=(call,)), Message("tool", "7", tool_call_id=call_id))
        return replace(REQUEST, messages=(*REQUEST.messages, *turns))

    called = replace(ANSWER, tool_calls=(ToolCall("x", "f", "{}"),))
    renamed = replace(ANSWER, tool_calls=(ToolCall("y", "f", "{}"),))
    assert told(record(after_a_call("a"), called), record(after_a_call("b"), renamed)) == {}
    assert set(told(record(after_a_call("a")), record(after_a_call("a", '{"n": 1}')))) == {"prompt"}


@pytest.mark.parametrize(
    ("now", "what", "before", "after"),
    [
        (record(status=with_info(sha256="c" * 64)), "model file", "a" * 64, "c" * 64),
        (record(status=with_info(template_sha256="c" * 64)), "chat template", "b" * 64, "c" * 64),
        (record(status=with_info(engine="build 2")), "engine", "build 1", "build 2"),
        (record(status=with_settings(n_ctx=2048)), "n_ctx", 4096, 2048),
        (record(status=with_settings(kv_type="q8_0")), "kv_type", "f16", "q8_0"),
        (record(status=with_settings(draft_model="small")), "draft_model", None, "small"),
        (record(with_params(temperature=0.5)), "temperature", 0.0, 0.5),
        (record(with_params(temperature=None)), "temperature", 0.0, None),
        (record(with_params(stop=("\n",))), "stop", None, ["\n"]),
        (record(with_params(seed=4)), "seed", 3, 4),
        (record(replace(REQUEST, reasoning_effort="low")), "reasoning_effort", None, "low"),
    ],
)
def test_each_difference_is_named_with_both_values(now: AnswerRecord, what: str, before: object, after: object) -> None:
    assert told(record(), now) == {what: (before, after)}


@pytest.mark.parametrize(
    ("now", "what"),
    [
        (record(replace(REQUEST, messages=(Message("user", "secret questio"),))), "prompt"),
        (record(replace(REQUEST, messages=(Message("system", "secret question"),))), "prompt"),
        (record(answer=replace(ANSWER, text="secret")), "answer"),
        (record(answer=replace(ANSWER, reasoning="hm")), "answer"),
        (record(with_params(grammar=Grammar("json_schema", "{}"))), "schema"),
        (record(replace(REQUEST, tools=(Tool("f"),))), "tools"),
    ],
)
def test_what_is_kept_as_a_hash_differs_too(now: AnswerRecord, what: str) -> None:
    assert set(told(record(), now)) == {what}


def test_a_profile_changes_what_answers() -> None:
    def asked(**profile: object) -> AnswerRecord:
        row = ModelProfile("calm", "calm", "demo", **profile)  # type: ignore[arg-type]
        return AnswerRecord.of(REQUEST).ended(ANSWER, Origin.of(replace(STATUS, base="demo"), row))

    assert told(asked(), asked()) == {}
    assert set(told(asked(), asked(system_prompt="Be brief."))) == {"profile"}
    assert set(told(asked(), asked(sampling={"top_k": 1}))) == {"profile"}


def test_what_an_older_server_does_not_tell_differs_from_nothing() -> None:
    old = with_info(sha256=None, template_sha256=None, engine=None)
    assert told(record(), record(status=old)) == {}
    assert told(record(), record(status=replace(STATUS, settings=None, info=None))) == {}
    assert told(AnswerRecord.of(REQUEST), record()) == {}  # of a kernel that died in the middle of the answer


def test_an_older_server_tells_less_of_a_model() -> None:
    row = {"architecture": "llama", "description": "", "parameters": 1, "n_ctx_train": 1, "size_bytes": 1}
    status = {"id": "m", "state": "loaded", "size_bytes": 1, "source": "", "info": {**row, "has_chat_template": True}}
    info = ModelStatus.from_dict(status).info
    assert info is not None
    assert (info.template_sha256, info.engine) == (None, None)
    status["info"]["of a newer server"] = 1  # type: ignore[index]
    assert ModelStatus.from_dict(status).info == info


@pytest.mark.parametrize(
    "row", [{}, {"generation": 1}, {"generation": "0", "settings": []}, {"generation": "0", "seed": "3"}]
)
def test_a_record_changed_by_hand_is_refused_in_words(row: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="an answer's record"):
        AnswerRecord.from_dict(row)


def test_a_newer_record_is_read_as_far_as_it_is_understood() -> None:
    assert AnswerRecord.from_dict({**record().to_dict(), "version": 9, "colour": "red"}) == replace(record(), version=9)
