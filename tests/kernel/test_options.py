"""The options of the magics, and one readable line where they are wrong."""

from __future__ import annotations

import pytest

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.options import HELP, VERBS, parse_cell, parse_line


def test_load() -> None:
    options = parse_line("load org/model:q4 --n-ctx 4096 --n-gpu-layers -1 --kv-type q8_0")
    assert (options.verb, options.model, options.n_ctx, options.n_gpu_layers) == ("load", "org/model:q4", 4096, -1)
    assert (options.kv_type, options.n_threads, options.n_parallel) == ("q8_0", None, None)


def test_how_long_a_model_stays() -> None:
    for text, seconds in (("10m", 600), ("90", 90), ("-1", -1), ("0", 0), ("1h30m", 5400)):
        assert parse_line(f"load demo --keep-alive {text}").keep_alive == seconds
        assert parse_cell(f"demo --keep-alive {text}").keep_alive == seconds
    options = parse_line("load demo")
    assert (options.keep_alive, options.pin) == (None, None)
    assert parse_line("load demo --pin").pin is True


def test_an_estimate_takes_the_settings_of_a_load() -> None:
    options = parse_line("estimate demo --n-ctx 8192 --n-batch 256 --kv-type q4_0")
    assert (options.model, options.n_ctx, options.n_batch, options.kv_type) == ("demo", 8192, 256, "q4_0")


def test_the_others() -> None:
    assert parse_line("models").all is False
    assert parse_line("models --all").all is True
    assert (parse_line("models").word, parse_line("models Qwen --all").word) == (None, "Qwen")
    assert [parse_line(f"{verb} demo").model for verb in ("pin", "unpin", "pull")] == ["demo"] * 3
    assert parse_line("pull o/r:Q8_0 --stop").stop is True
    assert parse_line("").verb is None
    assert parse_line("models").verb == "models"
    assert parse_line("status").verb == "status"
    assert parse_line("unload demo --force").force is True


def test_a_cell() -> None:
    options = parse_cell("demo --system \"Be 'brief'.\" --max-tokens 5 --temperature 0.5 --seed -3")
    assert (options.model, options.system, options.max_tokens) == ("demo", "Be 'brief'.", 5)
    assert (options.temperature, options.seed) == (0.5, -3)
    assert parse_cell("").model is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("frobnicate", "frobnicate"),
        ("load", "NAME"),
        ("load demo --nope 3", "--nope"),
        ("load demo --n-ctx many", "'many' is not a whole number"),
        ("load demo --kv-type f64", "f16"),
        ("load demo --n-c 3", "--n-c"),
        ("models a b", "b"),
        ("load demo --keep-alive soon", "must be seconds, .*, not 'soon'"),
        ("load demo --keep-alive -3", "must be seconds"),
        ("estimate demo --pin", "--pin"),
        ("pull", "OWNER/REPO"),
        ('load "demo', "quotation mark"),
    ],
)
def test_mistakes_are_one_line(line: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        parse_line(line)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("line", "words"), [("--temperature hot", "not a number"), ("a b", "b"), ("--sys x", "--sys")])
def test_mistakes_in_a_cell_are_one_line(line: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        parse_cell(line)


def test_the_help_fits_a_screen() -> None:
    lines = HELP.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 120
    for option in ("n-ctx", "n-parallel", "n-threads", "n-gpu-layers", "kv-type", "force", "system", "max-tokens"):
        assert f"--{option}" in HELP
    assert all(f"%uml {verb}" in HELP for verb in VERBS if verb != "help")


@pytest.mark.parametrize(("line", "said"), [("laod demo", "Did you mean `%uml load`"), ("xyzzy", "lists the commands")])
def test_a_command_that_is_not_there_is_told_kindly(line: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        parse_line(line)
