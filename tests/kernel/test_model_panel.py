"""The panel for models, driven as its page drives it; what it shows is what the server says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_uml.client import UniversalClient
from jupyter_uml.kernel import audience, live_models
from jupyter_uml.kernel.audience import Audience
from jupyter_uml.kernel.model_panel import ModelPanel
from jupyter_uml.types import EffectiveSettings, ModelStatus, ServerState
from tests.client.stub_server import Reply, StubServer, model_row
from tests.conftest import Server, wait_until

Opener = Callable[[UniversalClient], ModelPanel]
SETTINGS = asdict(EffectiveSettings(4096, 4, 1, 0, "f16"))


def act(panel: ModelPanel, action: str, **about: Any) -> None:
    """What the page sends."""
    panel.view._handle_custom_msg({"action": action, **about}, [])


def see(panel: ModelPanel, seen: bool = True, view: str = "one") -> None:
    panel.view._handle_custom_msg({"view": view, "seen": seen}, [])


def status(panel: ModelPanel) -> str:
    return str(panel.view.status.get("words", ""))


@pytest.fixture
def opened() -> Iterator[Opener]:
    panels: list[ModelPanel] = []

    def open_panel(client: UniversalClient) -> ModelPanel:
        panels.append(ModelPanel(client=client))
        panels[-1].wait()
        return panels[-1]

    yield open_panel
    for panel in panels:
        panel.close()


@pytest.fixture
def models(client: UniversalClient, opened: Opener) -> Iterator[ModelPanel]:
    client.unload("demo")
    panel = opened(client)
    panel.model = "demo"
    yield panel
    panel.wait()
    client.unload("demo")


@pytest.fixture
def machine(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> StubServer:
    """A server of the time before `GET events`, which has to be asked."""
    monkeypatch.setattr(live_models, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(live_models, "RETRY_SECONDS", 0.05)
    stub.answer("health", Reply({"memory": {"total_bytes": 2_000_000_000, "available_bytes": 10**9}}))
    stub.answer("models", Reply({"models": [model_row(state="available")]}))
    return stub


# --- on a real server ------------------------------------------------------------------------


def test_load_and_unload(models: ModelPanel, server: Server) -> None:
    assert (models.view.status["state"], models.view.status["is_up"]) == ("available", False)
    act(models, "load")
    models.wait()
    assert server.model()["state"] == "loaded"
    assert (models.view.status["is_up"], models.view.status["is_changed"]) == (True, False)
    assert "context 1024 tokens" in status(models)
    assert ["demo", "demo · 5.89 MiB · loaded"] in models.view.choices
    assert models.view.machine["total"] > models.view.machine["free"] > 0
    act(models, "unload")
    models.wait()
    assert server.model()["state"] == "available"
    assert not models.view.status["is_up"]
    assert models.model == "demo"


def test_options_are_sent(models: ModelPanel, server: Server) -> None:
    models.view.options = {"n_ctx": " 512 ", "n_parallel": "2", "kv_type": "q8_0"}
    models.load()
    models.wait()
    settings = server.model()["settings"]
    assert (settings["n_ctx"], settings["n_parallel"], settings["kv_type"]) == (512, 2, "q8_0")
    assert not models.view.status["is_changed"]  # it runs so
    models.view.options = {"n_ctx": "768"}
    assert models.view.status["is_changed"]
    models.view.options = {"n_ctx": "many"}
    models.load()
    models.wait()
    assert models.view.notice == "Context: 'many' is not a whole number."
    models.unload()
    models.wait()
    assert models.view.notice == ""


def test_the_bar_is_drawn_of_every_length_and_confirmed(models: ModelPanel, client: UniversalClient) -> None:
    wait_until(lambda: models.view.points)
    assert [point[0] for point in models.view.points] == [256, 512, 1024]
    models.view.options = {"n_ctx": "768"}
    wait_until(lambda: models.view.fit.get("chosen", {}).get("n_ctx") == 768)
    _, low, high = (sum(point[1:]) for point in models.view.points)
    exact = sum(models.view.fit["parts"])
    assert exact == client.estimate("demo", n_ctx=768).needed_bytes
    assert exact == pytest.approx((low + high) / 2, rel=0.02)
    assert models.view.fit["text"].startswith("Fits: needs ")
    assert models.view.fit["tone"] == "good"


def test_what_others_do_is_seen_within_a_second_and_plotted(models: ModelPanel, client: UniversalClient) -> None:
    see(models)
    client.load("demo")
    begun = time.monotonic()
    wait_until(lambda: models.view.status["state"] == "loaded", 2)
    assert time.monotonic() - begun < 1
    wait_until(lambda: models.view.samples, 5)
    see(models, False)
    wait_until(lambda: models._unfollow is None)
    before = models.view.samples
    see(models)
    wait_until(lambda: models.view.samples[: len(before)] == before, 5)  # the past is there again
    assert models.view.samples[-1][1] > 5_000_000
    client.unload("demo")
    wait_until(lambda: models.view.status["state"] == "available", 5)
    assert models.view.samples == []


def test_what_is_loaded_is_drawn_as_it_is(models: ModelPanel, client: UniversalClient) -> None:
    client.load("demo", n_ctx=512, n_parallel=2)
    models.refresh()
    models.wait()
    wait_until(lambda: models.view.fit.get("chosen", {}).get("n_ctx") == 512)
    assert models.view.fit["chosen"]["n_parallel"] == 2
    assert models.view.fit["asked"] == {}
    models.view.options = {"n_parallel": "1"}  # what is left open stays as it is
    wait_until(lambda: models.view.fit["chosen"]["n_parallel"] == 1)
    assert models.view.fit["chosen"]["n_ctx"] == 512


def test_less_is_taken_as_well_and_what_was_left_open_stays(models: ModelPanel, server: Server) -> None:
    models.view.options = {"n_ctx": "1024", "n_parallel": "3", "kv_type": "q8_0"}
    act(models, "pin")
    models.wait()
    assert not models.view.status["is_less"]
    before = server.model()["pid"]
    act(models, "load", options={"n_ctx": "512"})
    assert models.view.status["is_less"]
    models.wait()
    row = server.model()
    assert row["pid"] != before
    assert {"n_ctx": 512, "n_parallel": 3, "kv_type": "q8_0"}.items() <= row["settings"].items()
    assert row["pinned"]
    assert not models.view.status["is_less"]
    before = row["pid"]
    act(models, "load", options={"n_parallel": "1"})
    models.wait()
    assert server.model()["settings"]["n_parallel"] == 1
    assert server.model()["pid"] != before


def test_pin_and_let_go(models: ModelPanel, server: Server) -> None:
    act(models, "pin", options={"n_ctx": "512"})
    models.wait()
    assert server.model()["pinned"] is True
    assert server.model()["settings"]["n_ctx"] == 512  # it was loaded for that
    assert models.view.status["pinned"]
    assert "pinned" in status(models)
    act(models, "pin")
    models.wait()
    assert server.model()["pinned"] is False
    assert not models.view.status["pinned"]


# --- what is shown ---------------------------------------------------------------------------


def test_progress_and_errors_are_the_servers(machine: StubServer, stub_client: UniversalClient, opened: Opener) -> None:
    gate = threading.Event()
    machine.answer("load_model", Reply({"error": {"message": "It is <damaged>.", "code": "model_load_failed"}}, 422))
    machine.hold("load_model", gate)
    panel = opened(stub_client)
    see(panel)
    panel.load()
    machine.answer("models", Reply({"models": [model_row(state="loading", progress=0.5)]}))
    wait_until(lambda: panel.view.status["progress"] == 0.5)
    assert panel.view.status["progress_words"] == "Loading demo … 50%"
    assert panel.view.status["is_up"]  # and so can be cancelled
    machine.answer("models", Reply({"models": [model_row(state="failed", error={"message": "It is <damaged>."})]}))
    gate.set()
    panel.wait()
    assert panel.view.notice == "It is <damaged>."  # as text: the page makes no markup of it
    assert status(panel) == "failed · It is <damaged>."
    assert panel.view.status["progress"] is None
    panel.model = "other"
    assert panel.view.notice == ""  # it was about another one


def test_a_model_that_waits_for_memory_says_so(
    machine: StubServer, stub_client: UniversalClient, opened: Opener
) -> None:
    machine.answer("models", Reply({"models": [model_row(state="queued", estimated_bytes=3 << 30)]}))
    panel = opened(stub_client)
    assert "needs 3 GiB and waits for memory" in panel.view.status["progress_words"]
    assert panel.view.status["is_up"]


def test_a_load_that_was_called_off_here_is_no_error(
    machine: StubServer, stub_client: UniversalClient, opened: Opener
) -> None:
    gate = threading.Event()
    ended = {"error": {"message": "demo was unloaded while it was loading.", "code": "generation_aborted"}}
    machine.answer("load_model", Reply(ended, 409))
    machine.hold("load_model", gate)
    machine.answer("unload_model", Reply(model_row(state="available")))
    panel = opened(stub_client)
    panel.load()
    load = panel._job
    wait_until(lambda: machine.asked("load_model"))
    act(panel, "unload")
    panel.wait()
    gate.set()
    assert load is not None
    load.wait()
    assert panel.view.notice == ""


def test_answers_under_way_can_be_ended_for_the_unload(
    machine: StubServer, stub_client: UniversalClient, opened: Opener
) -> None:
    machine.answer("models", Reply({"models": [model_row(active=2)]}))
    machine.answer("unload_model", Reply(model_row(state="available")))
    panel = opened(stub_client)
    assert panel.view.status["active"] == 2
    act(panel, "unload-now")
    panel.wait()
    assert machine.asked("unload_model") == [{"model": "demo", "force": True}]


def test_no_server_and_one_that_comes_back(stub: StubServer, stub_client: UniversalClient, opened: Opener) -> None:
    panel = opened(stub_client)
    assert panel.view.notice == "no such route"
    assert panel.view.status == {"words": "Looking for models …"}
    see(panel)
    stub.answer("health", Reply({}))
    stub.answer("models", Reply({"models": [model_row()]}))
    panel.refresh()
    panel.wait()
    assert panel.view.notice == ""
    assert panel.model == "demo"


def test_a_server_that_comes_back_clears_what_was_said_of_it(
    machine: StubServer, stub_client: UniversalClient, opened: Opener
) -> None:
    fits = Reply(estimate("fits: needs 1 GiB, has 2 GiB"))
    machine.answer("estimate", fits)
    panel = opened(stub_client)
    see(panel)
    wait_until(lambda: panel._heard and panel.view.fit.get("tone") == "good")
    machine.answer("models", Reply({"error": {"message": "It starts."}}, 503))
    machine.answer("estimate", Reply({}, 404))
    wait_until(lambda: panel.view.notice)
    panel.view.options = {"n_ctx": "256"}
    wait_until(lambda: panel.view.fit == {})  # there is nobody who could say
    act(panel, "load")
    panel.wait()
    assert panel.view.notice
    machine.answer("estimate", fits)
    machine.answer("models", Reply({"models": [model_row(state="available")]}))
    wait_until(lambda: not panel.view.notice)
    wait_until(lambda: panel.view.fit.get("tone") == "good")


def test_what_was_pushed_is_newer_than_what_was_asked_before(
    machine: StubServer, stub_client: UniversalClient, opened: Opener
) -> None:
    panel, gate = opened(stub_client), threading.Event()
    before = len(machine.asked("health"))
    machine.hold("health", gate)
    panel.refresh()
    wait_until(lambda: len(machine.asked("health")) > before)
    panel.take(ServerState([ModelStatus.from_dict(model_row())]))
    gate.set()
    panel.wait()
    assert panel.view.status["state"] == "loaded"


def test_a_chosen_model_that_goes_stays_chosen(
    machine: StubServer, stub_client: UniversalClient, opened: Opener
) -> None:
    """Otherwise the next press of Load would be for another one."""
    rows = [model_row("a", "available"), model_row("b")]
    machine.answer("models", Reply({"models": rows}))
    panel = opened(stub_client)
    panel.model = "a"
    machine.answer("models", Reply({"models": rows[1:]}))
    panel.refresh()
    panel.wait()
    assert (panel.model, status(panel)) == ("a", "There is no model a now. Choose another one.")
    assert panel.view.choices[-1] == ["a", "a · not there"]
    assert "state" not in panel.view.status  # nothing can be done with it
    machine.answer("models", Reply({"models": [model_row("a", reason="It is damaged."), rows[1]]}))
    panel.refresh()
    panel.wait()
    assert status(panel) == "cannot be loaded: It is damaged."
    machine.answer("models", Reply({"models": rows}))
    panel.refresh()
    panel.wait()
    assert (panel.view.status["state"], len(panel.view.choices)) == ("available", 2)


def test_the_worker_that_profiles_share_counts_once(
    machine: StubServer, stub_client: UniversalClient, opened: Opener
) -> None:
    up = {"pid": 7, "memory_bytes": 5}
    rows = [model_row("a", **up), model_row("p", base="a", **up), model_row("b", pid=8, memory_bytes=3)]
    machine.answer("models", Reply({"models": rows}))
    panel = opened(stub_client)
    others = {}
    for row in rows:
        panel.model = row["id"]
        others[panel.model] = panel.view.machine["others"]
    assert others == {"a": 3, "p": 3, "b": 5}


def test_what_cannot_be_loaded_cannot_be_chosen_and_a_profile_says_whose_it_is(
    machine: StubServer, stub_client: UniversalClient, opened: Opener
) -> None:
    rows = [
        model_row("a", "available"),
        model_row("bad", reason="It is damaged."),
        model_row("p", "available", base="a"),
    ]
    machine.answer("models", Reply({"models": []}), Reply({"models": rows}))
    panel = opened(stub_client)
    assert (panel.model, status(panel)) == (None, "No model was found.")
    act(panel, "refresh")
    panel.wait()
    assert panel.view.choices == [["a", "a · 0.977 KiB"], ["p", "p · 0.977 KiB · profile of a"]]
    assert panel.model == "a"


def test_how_long_it_is_to_stay_goes_with_the_load(
    machine: StubServer, stub_client: UniversalClient, opened: Opener
) -> None:
    machine.answer("load_model", Reply(model_row()))
    panel = opened(stub_client)
    for text in ("10m", "90"):
        panel.view.options = {"keep_alive": text}
        panel.load()
        panel.wait()
    assert [body["keep_alive"] for body in machine.asked("load_model")] == [600, 90]
    panel.view.options = {"keep_alive": "soon"}
    panel.load()
    panel.wait()
    assert "keep_alive must be" in panel.view.notice


def test_an_action_is_about_what_the_page_shows(
    machine: StubServer, stub_client: UniversalClient, opened: Opener
) -> None:
    machine.answer("models", Reply({"models": [model_row(name, "available") for name in "ab"]}))
    machine.answer("load_model", Reply(model_row("b")))
    panel = opened(stub_client)
    act(panel, "load", model="b", options={"n_parallel": "2"})  # it has overtaken the state
    panel.wait()
    assert machine.asked("load_model") == [{"model": "b", "n_parallel": 2, "wait": True}]
    assert (panel.model, panel.view.heard) == ("b", 1)


def test_a_model_that_is_loaded_is_chosen_first(
    machine: StubServer, stub_client: UniversalClient, opened: Opener
) -> None:
    machine.answer("models", Reply({"models": [model_row("a", "available"), model_row("b")]}))
    assert opened(stub_client).model == "b"


def test_strange_messages_do_nothing(machine: StubServer, stub_client: UniversalClient, opened: Opener) -> None:
    panel = opened(stub_client)
    panel.view._handle_custom_msg("text", [])
    act(panel, "explode", model=7, options="many")
    see(panel, False, "never seen")
    panel.wait()
    assert panel.view.notice == ""


# --- whether it fits -------------------------------------------------------------------------


def estimate(verdict: str, kv_bytes: int = 1000, **more: Any) -> dict[str, Any]:
    parts = [{"name": name, "ram": ram} for name, ram in (("weights", 5000), ("kv_cache", kv_bytes), ("process", 10))]
    figures = {"needed_bytes": 2, "available_bytes": 1, "largest_context": 8192}
    answer = {"model": "demo", "verdict": verdict, "fits": True, "as_wished": True, "settings": SETTINGS}
    return {**answer, **figures, "parts": parts, "wished_parts": parts, **more}


@pytest.fixture
def unloaded(machine: StubServer, stub_client: UniversalClient, opened: Opener) -> ModelPanel:
    facts = {"kind": "model", "architecture": "llama", "parameters": 1, "quantisation": "", "n_ctx_train": 1024}
    rows = [model_row(name, "available", facts=facts) for name in ("demo", "b")]
    machine.answer("models", Reply({"models": rows}))
    machine.answer("estimate", Reply(estimate("fits: needs 1 GiB, has 2 GiB")))
    return opened(stub_client)


def test_typing_asks_once_and_the_drawing_stays(unloaded: ModelPanel, stub: StubServer) -> None:
    wait_until(lambda: unloaded.view.points == [[n_ctx, 5000, 1000, 10, 0] for n_ctx in (256, 512, 1024)])
    assert "largest context 8192 tokens" in unloaded.view.fit["text"]
    stub.answer("estimate", Reply(estimate("does not fit: needs 3 GiB, has 2 GiB", 9000, fits=False)))
    before = len(stub.asked("estimate"))
    for text in ("8", "80", "800"):  # as it is typed
        unloaded.view.options = {"n_ctx": text}
    wait_until(lambda: "Does not fit: needs 3 GiB, has 2 GiB" in unloaded.view.fit["text"])
    assert (unloaded.view.fit["tone"], unloaded.view.fit["parts"]) == ("bad", [5000, 9000, 10, 0])
    assert stub.asked("estimate")[before:] == [{"model": "demo", "n_ctx": 800}]
    unloaded.view.options = {"n_ctx": "800", "n_parallel": "2"}  # that needs another drawing
    wait_until(lambda: unloaded.view.points and unloaded.view.points[0][2] == 9000)
    unloaded.view.options = {"n_ctx": "many"}
    wait_until(lambda: "is not a whole number" in unloaded.view.fit["text"])


def test_another_model_gets_its_own_forecast_and_length(unloaded: ModelPanel, stub: StubServer) -> None:
    wait_until(lambda: unloaded.view.points)
    unloaded.view.options = {"n_ctx": "800", "n_parallel": "2"}
    unloaded.model = "b"
    assert (unloaded.view.fit, unloaded.view.points) == ({}, [])  # not the other one's
    assert unloaded.view.options == {"n_ctx": "", "n_parallel": "2"}
    wait_until(lambda: stub.asked("estimate")[-1] == {"model": "b", "n_parallel": 2, "n_ctx": 1024})


# --- who looks -------------------------------------------------------------------------------


def asked(stub: StubServer) -> int:
    return len(stub.asked("models"))


def test_nothing_is_asked_while_nobody_looks(machine: StubServer, stub_client: UniversalClient, opened: Opener) -> None:
    one, two = opened(stub_client), opened(stub_client)
    before = asked(machine)
    see(one)
    see(two)
    wait_until(lambda: asked(machine) > before + 2)
    see(one, view="another")
    see(one, False)
    see(two, False)
    watch = live_models.live_models(stub_client)
    wait_until(lambda: len(watch._followers) == 1)
    assert watch._job is not None  # the one watch goes on for the other view of the first panel
    job = watch._job
    see(one, False, "another")
    job.wait(5)
    after = asked(machine)
    assert watch._job is None
    time.sleep(0.2)
    assert asked(machine) == after
    see(one)
    wait_until(lambda: asked(machine) > after)
    one.close()
    wait_until(lambda: watch._job is None)


def test_a_panel_that_fails_does_not_keep_others_from_the_news(
    machine: StubServer, stub_client: UniversalClient, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = opened(stub_client), opened(stub_client)
    monkeypatch.setattr(one, "take", lambda _: 1 / 0)
    see(one)
    see(two)
    machine.answer("models", Reply({"models": [model_row()]}))
    wait_until(lambda: two.view.status["state"] == "loaded")


def test_a_page_that_was_killed_looks_no_more(
    stub_client: UniversalClient, shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience, "LEASE_SECONDS", 0.05)
    monkeypatch.setattr(audience, "get_ipython", lambda: shell)
    told: list[bool] = []
    looking = Audience(stub_client.background, told.append)
    looking.hear("one", True)
    wait_until(lambda: told == [True, False])
    looking.hear("one", True)
    wait_until(lambda: told[2:] == [True])
    shell.events.trigger("pre_execute")  # a cell holds the kernel: what pages say waits
    time.sleep(0.2)
    assert told[2:] == [True]
    shell.events.trigger("post_execute")
    wait_until(lambda: told[2:] == [True, False])
    looking.leave()
    assert len(told) == 4
    looking.hear("one", True)
    wait_until(lambda: told[4:] == [True])
    shell.events.trigger("pre_execute")
    looking.hear("one", False)  # where pages are heard while a cell runs, whose end is not
    looking.hear("one", True)
    wait_until(lambda: told[4:] == [True, False, True, False])
