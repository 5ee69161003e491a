"""`POST load_model` and `POST estimate`: what can be asked for, and what is said about how it was done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from jupyter_uml.client import UniversalClient
from jupyter_uml.demo import demo_model_path
from tests.conftest import Server, launch, wait_until
from tests.server.errors import assert_error
from tests.server.keys import CHAT

PROFILE = """
model = "demo"
aliases = ["the-cook"]
system_prompt = "You are a cook."
[sampling]
max_tokens = 3
"""


DICE = """
model = "demo"
[sampling]
seed = 4
temperature = 2.0
top_k = 0
top_p = 1.0
min_p = 0.0
max_tokens = 12
"""


@pytest.fixture(scope="module")
def equipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with profiles, with files that cannot be loaded, and with settings of its own."""
    folder = tmp_path_factory.mktemp("equipped")
    profiles = folder / "config" / "uml" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "chef.toml").write_text(PROFILE)
    (profiles / "dice.toml").write_text(DICE)
    (profiles / "lost.toml").write_text('model = "nowhere"')
    _unloadable(folder / "models")
    arguments = ("--UMLApp.keep_alive=1h30m", "--UMLApp.queue_seconds=5", "--UMLApp.other_stores=False")
    server = launch(folder, args=arguments)
    wait_until(lambda: _row(server, "damaged").get("reason"))
    yield server
    server.stop()


@pytest.fixture
def fresh(equipped: Server) -> Server:
    """With the demo model unloaded, and forgotten what was asked for it."""
    equipped.post("unload_model", {"model": "demo"})
    return equipped


def _unloadable(models: Path) -> None:
    (models / "tensors").mkdir(parents=True)
    (models / "tensors" / "model.safetensors").write_bytes(b"x")
    (models / "tensors" / "config.json").write_text("{}")
    (models / "damaged.gguf").write_bytes(b"GGUF" + b"\xff" * 100)


def _row(server: Server, model_id: str) -> dict[str, Any]:
    rows = server.get("models").json()["models"]
    return next((row for row in rows if row["id"] == model_id), {})


def test_the_settings_that_count_are_told(fresh: Server) -> None:
    asked = {"n_ctx": 256, "n_parallel": 2, "n_threads": 1, "n_threads_batch": 2, "n_batch": 64, "kv_type": "q8_0"}
    answer = fresh.post("load_model", {"model": "demo", **asked})
    assert answer.status_code == 200
    settings = answer.json()["settings"]
    assert {name: settings[name] for name in asked} == asked
    assert fresh.model()["settings"] == settings


@pytest.mark.parametrize(("value", "seconds"), [("10m", 600), ("1h30m", 5400), (60, 60), (7.5, 7.5), (None, 5400)])
def test_how_long_it_stays_is_said_when_it_is_loaded(fresh: Server, value: Any, seconds: float) -> None:
    status = fresh.post("load_model", {"model": "demo", "keep_alive": value}).json()
    assert seconds - 2 < status["expires_in"] <= seconds


def test_it_may_stay_for_ever_or_go_at_once(fresh: Server) -> None:
    assert fresh.post("load_model", {"model": "demo", "keep_alive": -1}).json()["expires_in"] is None
    fresh.post("v1/completions", {"model": "demo", "prompt": "Hi", "max_tokens": 2, "keep_alive": 0}).raise_for_status()
    wait_until(lambda: fresh.model()["state"] == "available")


def test_a_model_is_pinned_until_it_is_said_otherwise(fresh: Server) -> None:
    for pin, pinned in ((True, True), (None, True), (False, False)):
        assert fresh.post("load_model", {"model": "demo", "pin": pin}).json()["pinned"] is pinned


@pytest.mark.parametrize(
    ("field", "value"),
    [("keep_alive", "soon"), ("keep_alive", -5), ("pin", "yes"), ("n_batch", 0), ("n_threads_batch", 1000)],
)
@pytest.mark.parametrize("path", ["load_model", "estimate"])
def test_what_cannot_be_is_refused_by_name(equipped: Server, path: str, field: str, value: Any) -> None:
    error = assert_error(equipped.post(path, {"model": "demo", field: value}), 400)
    assert error["param"] == field


def test_an_estimate_tells_what_would_be(fresh: Server) -> None:
    small = fresh.post("estimate", {"model": "demo", "n_ctx": 256, "n_parallel": 1}).json()
    large = fresh.post("estimate", {"model": "demo", "n_ctx": 1024, "n_parallel": 8, "wait": False}).json()
    assert small["fits"]
    assert small["as_wished"]
    assert (small["model"], small["settings"]["n_ctx"], small["settings"]["n_parallel"]) == ("demo", 256, 1)
    assert 0 < small["needed_bytes"] < large["needed_bytes"] < large["available_bytes"]
    assert {part["name"] for part in small["parts"]} >= {"weights", "kv_cache"}
    assert small["verdict"]
    assert fresh.model()["state"] == "available"
    assert_error(fresh.post("estimate", {"model": "nope"}), 404, "model_not_found")
    assert_error(fresh.post("estimate", {"model": "damaged"}), 422, "model_load_failed")


def test_what_cannot_be_loaded_is_listed_with_the_reason(equipped: Server) -> None:
    for name, words in (("damaged", "GGUF"), ("tensors", "safetensors"), ("lost", "nowhere")):
        row = _row(equipped, name)
        assert words.lower() in row["reason"].lower(), row
        assert_error(equipped.post("v1/chat/completions", {**CHAT, "model": name}), 422, "model_load_failed")
        assert_error(equipped.get(f"v1/models/{name}"), 422, "model_load_failed")


def test_openais_list_has_only_what_answers(equipped: Server) -> None:
    with openai.OpenAI(base_url=f"{equipped.url}/v1", api_key=equipped.token, max_retries=0) as client:
        assert {model.id for model in client.models.list()} == {"demo", "endless", "chef", "dice"}
        assert client.models.retrieve("chef").id == "chef"


@pytest.mark.parametrize("name", ["chef", "the-cook"])
def test_a_profile_answers_under_its_own_name(fresh: Server, name: str) -> None:
    answer = fresh.post("v1/chat/completions", {"model": name, "messages": CHAT["messages"]}).json()
    assert answer["model"] == name
    assert answer["usage"]["completion_tokens"] <= 3
    assert fresh.model("demo")["state"] == "loaded"


def test_a_profiles_system_prompt_is_put_first(fresh: Server) -> None:
    def prompt(**fields: Any) -> str:
        return str(
            fresh.post("apply-template", {"model": "chef", "messages": CHAT["messages"], **fields}).json()["prompt"]
        )

    assert "You are a cook." in prompt()
    assert "You are a cook." not in prompt(model="demo")
    assert "You are a cook." not in prompt(messages=[{"role": "system", "content": "Be brief."}, *CHAT["messages"]])
    count = {"model": "chef", "messages": CHAT["messages"]}
    plain = {**count, "model": "demo"}
    longer, shorter = (fresh.post("v1/messages/count_tokens", body).json()["input_tokens"] for body in (count, plain))
    assert longer > shorter


def test_a_profiles_seed_draws_each_of_several_answers_differently(fresh: Server) -> None:
    def answers(count: int) -> list[str]:
        body = {"model": "dice", "prompt": "x 7 q", "n": count, "max_tokens": -1, "deterministic": True}
        return [choice["text"] for choice in fresh.post("v1/completions", body).json()["choices"]]

    four = answers(4)
    assert len(set(four)) == 4
    assert answers(1) == four[:1]


def test_a_profiles_length_counts_for_texts_that_our_client_asks_for(fresh: Server) -> None:
    with UniversalClient(fresh.url, fresh.token) as client:
        usage = client.complete("Once upon a time", model="chef", ignore_eos=True).usage
    assert usage is not None
    assert usage.completion_tokens == 3


def test_what_a_request_gives_stands_above_its_profile(fresh: Server) -> None:
    body = {"model": "chef", "prompt": "The time in", "ignore_eos": True}
    for more, tokens in (({}, 3), ({"max_tokens": -1}, 3), ({"max_tokens": 5}, 5)):
        assert fresh.post("v1/completions", body | more).json()["usage"]["completion_tokens"] == tokens


def test_answers_that_are_ended_by_force_say_so(fresh: Server) -> None:
    endless = {"model": "endless", "prompt": "Hi", "max_tokens": 10_000, "ignore_eos": True}
    fresh.post("load_model", {"model": "endless", "n_threads": 1}).raise_for_status()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(fresh.post, "v1/completions", endless)
        wait_until(lambda: fresh.model("endless")["active"])
        fresh.post("unload_model", {"model": "endless", "force": True}).raise_for_status()
        assert_error(answer.result(), 503, "generation_aborted")


def test_all_models_together_stay_within_what_is_allowed(tmp_path: Path) -> None:
    allowed = 20_000_000
    server = launch(tmp_path, args=(f"--UMLApp.max_model_memory={allowed}", "--UMLApp.queue_seconds=1"))
    try:
        for path, body in (("load_model", {"model": "demo"}), ("v1/chat/completions", CHAT)):
            error = assert_error(server.post(path, body), 503, "insufficient_memory")
            assert error["available_bytes"] <= allowed < error["needed_bytes"]
        estimate = server.post("estimate", {"model": "demo"}).json()
        assert not estimate["fits"]
        assert estimate["needed_bytes"] > estimate["available_bytes"]
    finally:
        server.stop()


def test_other_programs_models_are_offered_unless_that_is_switched_off(equipped: Server, tmp_path: Path) -> None:
    other = launch(tmp_path)
    try:
        for server in (other, equipped):
            place = server.models.parent / "home" / ".lmstudio" / "models" / "somebody" / "some-model"
            place.mkdir(parents=True)
            (place / "theirs.gguf").write_bytes(demo_model_path().read_bytes())
        wait_until(lambda: any(row["source"] == "lmstudio" for row in other.get("models").json()["models"]))
        assert not any(row["source"] == "lmstudio" for row in equipped.get("models").json()["models"])
    finally:
        other.stop()


def test_a_setting_that_cannot_be_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="keep_alive must be seconds, or a text like"):
        launch(tmp_path, standalone=True, args=("--UMLApp.keep_alive=soon",))


def test_bodies_are_described(equipped: Server) -> None:
    document = json.loads(equipped.get("openapi.json").text)
    fields = document["components"]["schemas"]["LoadModelRequest"]["properties"]
    assert {"keep_alive", "pin", "n_batch", "n_threads_batch", "wait"} <= set(fields)
    assert "/estimate" in document["paths"]
