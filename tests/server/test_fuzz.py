"""Whatever is sent: an answer, or an error in the one shape, in time; and the model goes on working."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, NoReturn
from urllib.parse import quote

import httpx2
import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS as ALL_CHECKS
from schemathesis.core.errors import InvalidSchema
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from jupyter_uml.protocol.openapi import document
from jupyter_uml.server.openapi import OPERATIONS
from tests.conftest import Server, launch, wait_until
from tests.server import hostile

SECONDS = 5.0  # for any answer
LONGEST_MESSAGE = 2000
OPEN = {**document(OPERATIONS), "security": []}  # a credential is always there; what happens without it comes below
WITHOUT_END = "/events"
DESCRIBED = [
    described
    for operation in schemathesis.openapi.from_dict(OPEN).get_all_operations()
    if (described := operation.ok()).path != WITHOUT_END
]
ASKED = [  # all that can be wrong is in bodies
    pytest.param(operation, mode, id=f"{operation.label} {mode.value}")
    for operation in DESCRIBED
    for mode in GenerationMode
    if operation.body or mode is GenerationMode.POSITIVE
]
CHECKS = ALL_CHECKS.get_all()
SOCKET = "/ws"  # described for its address: plain HTTP is refused there whatever it says
ENDS = ("data: [DONE]", "event: message_stop", "event: response.completed", "event: response.incomplete")
FAILURES = ("event: error", "event: response.failed")


def budget(examples: int) -> settings:
    """The same examples each time, and nothing written anywhere."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def busy_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With the demo model loaded for good; one thread, since what else runs here would hold up two."""
    server = launch(tmp_path_factory.mktemp("fuzz"))
    assert server.post("load_model", {"model": "demo", "n_threads": 1, "pin": True}).status_code == 200
    yield server
    server.stop()


@pytest.fixture
def target(busy_server: Server) -> Iterator[Server]:
    """Afterwards nothing runs any more, and the worker is still the same process."""
    pid = busy_server.model()["pid"]
    yield busy_server
    wait_until(lambda: not busy_server.model()["active"])
    assert busy_server.model()["pid"] == pid
    log = busy_server.log.read_text()
    assert "Uncaught exception" not in log, log[log.index("Uncaught exception") :][:3000]


def sent(server: Server, path: str, content: bytes, **kwargs: Any) -> httpx2.Response:
    """The response to a `POST`, which is sound."""
    started = time.monotonic()
    response = server.post(path, content=content, **kwargs)
    assert time.monotonic() - started < SECONDS
    if response.headers["content-type"].startswith("text/event-stream"):
        check_stream(response.text)
    else:
        check_whole(response, server)
    return response


def check_whole(response: Any, server: Server) -> None:
    body = json.loads(response.text, parse_constant=no_number)
    if response.status_code < 400:
        assert isinstance(body, dict)
        assert "error" not in body or body["error"] is None
        return
    check_error(body["error"], server)
    assert response.status_code < 500 or (response.status_code == 503 and "retry-after" in response.headers)


def check_error(error: dict[str, Any], server: Server) -> None:
    assert {"message", "type", "param", "code"} <= set(error)
    assert isinstance(error["type"], str)
    assert isinstance(error["code"], str)
    assert error["param"] is None or isinstance(error["param"], str)
    assert 0 < len(error["message"]) < LONGEST_MESSAGE
    assert str(server.models.parent) not in str(error)


def check_stream(text: str) -> None:
    """It ends in its end, or in an error."""
    assert text.endswith("\n\n"), text[-300:]
    events = text.removesuffix("\n\n").split("\n\n")
    assert events[-1].startswith(ENDS + FAILURES), text[-300:]
    for line in text.splitlines():
        if line.startswith("data: ") and line != "data: [DONE]":
            json.loads(line.removeprefix("data: "), parse_constant=no_number)


def no_number(name: str) -> NoReturn:
    raise AssertionError(f"{name} is not JSON")


# --- from the server's own description -------------------------------------------------------

PLAIN: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hi"}]},
    "/apply-template": {"messages": [{"role": "user", "content": "Hi"}]},
    "/v1/responses": {"input": "Hi", "previous_response_id": None},
    "/v1/responses/input_tokens": {"input": "Hi", "previous_response_id": None},
    "/v1/completions": {"prompt": "The time in"},
    "/tokenize": {"content": "Hi", "input": None},
}
SLOW = ("/load_model", "/unload_model", "/bench_model")  # and of what they do to a model there are tests of their own
LENGTHS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


def steered(path: str, body: dict[str, Any], plain: bool) -> dict[str, Any]:
    """`body` for a model that is there, with a short answer; where it says so, with a prompt that makes sense."""
    steered = {**body, **(PLAIN.get(path, {}) if plain else {})}
    if path.startswith(SLOW) and steered.get("model") == "demo":  # as the examples say
        steered["model"] = "nobody's"
    if not path.startswith(SLOW) and isinstance(steered.get("model"), str) and 0 < len(steered["model"]) <= 256:
        steered["model"] = "demo"
    if path == "/inline_completion":
        steered.setdefault("max_tokens", 8)  # its answers are long otherwise, too
    for name in LENGTHS:
        if isinstance(steered.get(name), int | float) and (steered[name] > 8 or steered[name] == -1):  # -1: no limit
            steered[name] = 8
    return steered


@st.composite
def cases(draw: st.DrawFn, operation: Any, mode: GenerationMode) -> Any:
    """Requests by schemathesis, without those that it finds it cannot make when it has half made them."""
    try:
        return draw(operation.as_strategy(generation_mode=mode))
    except InvalidSchema as error:
        if "Cannot generate" not in str(error):
            raise
        reject()


def excused(path: str, response: Any) -> list[Any]:
    """A body may fit its schema and still break a rule between its fields, or of the model: the error names the field
    then. Any other refusal of a valid request is a failure."""
    if path == SOCKET or (response.status_code == 400 and json.loads(response.text)["error"]["param"] is not None):
        return [positive_data_acceptance]
    return []


@pytest.mark.parametrize(("operation", "mode"), ASKED)
def test_what_is_described_is_so(target: Server, operation: Any, mode: GenerationMode) -> None:
    """Bodies that fit the description and bodies that do not."""

    @budget(12 if operation.body else 5)
    @given(case=cases(operation, mode), plain=st.booleans())
    def check(case: Any, plain: bool) -> None:
        if isinstance(case.body, dict):
            case.body = steered(operation.path, case.body, plain and mode is GenerationMode.POSITIVE)
        case.headers = {name: value for name, value in (case.headers or {}).items() if name.lower() != "authorization"}
        response = case.call(base_url=target.url, headers=target.auth, timeout=SECONDS)
        case.validate_response(response, checks=CHECKS, excluded_checks=excused(operation.path, response))
        kind = response.headers["content-type"][0]
        if kind.startswith("text/event-stream"):
            check_stream(response.text)
        elif kind.startswith("application/json"):
            check_whole(response, target)
        else:
            assert response.status_code < 400

    check()


# --- valid requests, changed in one place ----------------------------------------------------


@pytest.mark.parametrize("path", hostile.BODIES)
def test_what_the_changes_start_from_is_sound(target: Server, path: str) -> None:
    for body in hostile.BODIES[path]:
        assert sent(target, path, json.dumps(body).encode()).status_code == 200


def test_a_request_changed_in_one_place_is_answered_or_refused(target: Server) -> None:
    @budget(300)
    @given(hostile.requests())
    def check(request: tuple[str, bytes]) -> None:
        sent(target, *request)

    check()


# --- what is not even JSON, and ways to nowhere ----------------------------------------------

GOOD = b'{"model":"demo","prompt":"Hi","max_tokens":2}'


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\xff\xfe", b"\xef\xbb\xbf" + GOOD, b"null", b"[]", b'"x"', b"5", GOOD + b"{}", b"\0"),
        *(b'{"\xed\xa0\x80":1}', b"[" * 10_000_000, b'{"a":' * 2_000_000),
    ],
    ids=range(12),
)
@pytest.mark.parametrize("path", ["v1/completions", "v1/messages", "load_model"])
def test_a_body_that_is_no_object_is_refused(target: Server, path: str, content: bytes) -> None:
    assert sent(target, path, content).status_code == 400


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_a_body_is_read_as_json_whatever_it_is_called(target: Server, kind: str) -> None:
    assert sent(target, "v1/completions", GOOD, headers={"Content-Type": kind}).status_code == 200


@pytest.mark.parametrize("name", ["..", "a/../../etc/passwd", "\0", "a" * 5000, "%", "%00", "demo/", "<b>", "?", "#"])
@pytest.mark.parametrize("route", ["models/", "v1/models/", "v1/responses/"])
def test_a_strange_name_is_not_found(target: Server, route: str, name: str) -> None:
    response = target.get(route + quote(name, safe=""))
    assert response.status_code == 404
    check_whole(response, target)


@pytest.mark.parametrize("query", ["include=%ff", "limit=5", "stream=true", "include=nonsense", "a[]=1"])
def test_a_strange_query_is_refused(target: Server, query: str) -> None:
    response = target.get(f"v1/responses/resp_1?{query}")
    assert response.status_code == 400
    check_whole(response, target)


# --- faults that were found so ---------------------------------------------------------------


@pytest.mark.parametrize("tag", [{f"k{number}": 1 for number in range(100_000)}, "x" * 100_000])
def test_an_unknown_kind_is_not_repeated_whole(target: Server, tag: Any) -> None:
    turn = {"role": "user", "content": [{"type": tag, "text": "Hi"}]}
    for path in ("v1/messages", "v1/chat/completions"):
        content = orjson.dumps({"model": "demo", "max_tokens": 2, "messages": [turn]})
        assert sent(target, path, content).status_code == 400


@pytest.mark.parametrize("depth", [253, 1000])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("v1/responses", '{"model":"demo","input":[{"type":@,"role":"user","content":"Hi"}]}'),
        ("v1/responses/input_tokens", '{"model":"demo","input":[{"type":@,"id":"a"}]}'),
        ("v1/messages", '{"model":"demo","max_tokens":2,"messages":[{"role":@,"content":"Hi"}]}'),
    ],
)
def test_a_kind_that_is_nested_deeply_is_refused(target: Server, path: str, body: str, depth: int) -> None:
    """Its text was too deep for Python to write."""
    assert sent(target, path, body.replace("@", '{"a":' * depth + "1" + "}" * depth).encode()).status_code == 400


def test_an_item_that_is_nested_deeply_can_be_listed_if_it_was_taken(target: Server) -> None:
    taken = 0
    for depth in range(240, 256):
        part = '{"type":"output_text","text":"a","logprobs":' + "[" * depth + "]" * depth + "}"
        items = '[{"role":"assistant","content":[' + part + ']},{"role":"user","content":"Hi"}]'
        answer = sent(target, "v1/responses", f'{{"model":"demo","max_output_tokens":2,"input":{items}}}'.encode())
        if answer.status_code == 200:
            taken += 1
            assert target.get(f"v1/responses/{answer.json()['id']}/input_items").status_code == 200
    assert taken


RESULT = {"type": "tool_result", "tool_use_id": "a", "content": [{}] * 1000}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("v1/embeddings", {"input": [1] + ["a"] * 1_000_000}),
        ("detokenize", {"tokens": [[["a"]] * 1000] * 1000}),
        ("v1/chat/completions", {"messages": [{"role": "user", "content": [{}] * 1000}] * 4000}),
        ("v1/messages", {"max_tokens": 2, "messages": [{"role": "user", "content": [RESULT] * 1000}] * 4}),
        ("v1/responses", {"input": [{"role": "user", "content": [{"type": "x"}] * 1000}] * 1000}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_millions_of_faults_hold_nobody_up(target: Server, path: str, body: dict[str, Any]) -> None:
    """All of them were looked at, for up to a minute, and nobody else was answered in that time."""
    assert sent(target, path, orjson.dumps({"model": "demo", **body})).status_code == 400


@pytest.mark.parametrize("operation", DESCRIBED, ids=lambda operation: operation.label)
def test_nothing_is_told_without_a_credential(target: Server, operation: Any) -> None:
    """Nor with one that is none; whatever else the request says, its body is not even read."""
    path = "/".join("demo" if part.startswith("{") else part for part in operation.path.strip("/").split("/"))
    with httpx2.Client(base_url=target.url) as client:
        for credential in ("", "Bearer uml_nobody", "Bearer " + "x" * 4000, "Basic dXNlcjpwdw==", "Bearer"):
            response = client.request(operation.method, path, headers={"Authorization": credential}, content=b"{")
            assert response.status_code == 401
            check_error(response.json()["error"], target)
