"""`%uml profile`: a name for a model with settings, made and deleted in a cell."""

from __future__ import annotations

import pytest

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.command_line import parse_line
from jupyter_uml.kernel.tables import profiles_table, to_text
from jupyter_uml.types import LoadSettings, ModelProfile
from tests.conftest import Server
from tests.kernel.conftest import Kernel


def test_it_is_saved_listed_asked_and_deleted(kernel: Kernel, server: Server) -> None:
    kernel.run("%uml unload demo")  # a longer context that another test has left would serve as well
    assert "There is no profile yet" in kernel.run("%uml profile").text
    settings = "--n-ctx 512 --temperature 0 --max-tokens 2"
    saved = kernel.run(f'%uml profile save brief demo {settings} --system "Be brief." --pin')
    assert saved.status == "ok", saved.errors
    assert "brief is demo with settings of its own · `%%uml brief` asks it" in saved.text
    listed = kernel.run("%uml profile")
    assert "<table" in listed.html
    for told in ("brief", "demo", "n_ctx 512", "pin True", "temperature 0", "Be brief."):
        assert told in listed.text
    assert "cut off after 2 tokens: raise max_tokens for the rest" in kernel.run("%%uml brief\nHi").html
    assert server.model("brief")["settings"]["n_ctx"] == 512
    assert "is what demo is called" in kernel.run("%uml profile save demo demo").errors[0]
    assert "The profile brief is deleted." in kernel.run("%uml profile delete brief").text
    assert "There is no profile 'brief'." in kernel.run("%uml profile delete brief").errors[0]
    kernel.run("%uml unload demo")


def test_options_are_those_of_a_load_and_of_a_question() -> None:
    _, options = parse_line('profile save a b --kv-type q8_0 --keep-alive 10m --top-p 0.5 --seed 3 --system "x y"')
    assert (options.act, options.name, options.model, options.kv_type) == ("save", "a", "b", "q8_0")
    assert (options.keep_alive, options.top_p, options.seed, options.system, options.pin) == (600, 0.5, 3, "x y", None)
    _, options = parse_line("profile")
    assert options.act is None
    for line, words in (("profile save a", "MODEL"), ("profile remove a", "'remove'"), ("profile delete", "NAME")):
        with pytest.raises(InvalidRequest, match=words):
            parse_line(line)


def test_a_long_prompt_is_cut_and_what_is_wrong_is_told() -> None:
    rows = [
        ModelProfile("a", "a", "demo", settings=LoadSettings(n_ctx=64), system_prompt="word " * 100),
        ModelProfile("b", "b", reason="b.toml, line 2: no."),
    ]
    text = to_text(profiles_table(rows))
    assert "b.toml, line 2: no." in text
    assert "word …" in text
    assert max(map(len, text.splitlines())) < 160
