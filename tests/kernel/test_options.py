"""The options of the magics, and one readable line where they are wrong."""

from __future__ import annotations

import argparse

import pytest

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.cell_options import parse_cell
from jupyter_uml.kernel.command_line import HELP, NAMES, help_of, parse_line
from jupyter_uml.kernel.options import COLUMNS


def parsed(line: str) -> argparse.Namespace:
    found = parse_line(line)
    assert not isinstance(found, str)
    return found[1]


def test_load() -> None:
    options = parsed("load org/model:q4 --n-ctx 4096 --n-gpu-layers -1 --kv-type q8_0")
    assert (options.model, options.n_ctx, options.n_gpu_layers) == ("org/model:q4", 4096, -1)
    assert (options.kv_type, options.n_threads, options.n_parallel) == ("q8_0", None, None)


def test_how_long_a_model_stays() -> None:
    for text, seconds in (("10m", 600), ("90", 90), ("-1", -1), ("0", 0), ("1h30m", 5400)):
        assert parsed(f"load demo --keep-alive {text}").keep_alive == seconds
        assert parse_cell(f"demo --keep-alive {text}").options.keep_alive == seconds
    options = parsed("load demo")
    assert (options.keep_alive, options.pin) == (None, None)
    assert parsed("load demo --pin").pin is True


def test_an_estimate_takes_the_settings_of_a_load() -> None:
    options = parsed("estimate demo --n-ctx 8192 --n-batch 256 --kv-type q4_0")
    assert (options.model, options.n_ctx, options.n_batch, options.kv_type) == ("demo", 8192, 256, "q4_0")


def test_the_others() -> None:
    assert parsed("models").all is False
    assert parsed("models --all").all is True
    assert (parsed("models").word, parsed("models Qwen --all").word) == (None, "Qwen")
    assert [parsed(f"{verb} demo").model for verb in ("pin", "unpin", "pull")] == ["demo"] * 3
    assert parsed("pull o/r:Q8_0 --stop").stop is True
    assert parse_line("") == parse_line("help") == HELP
    verb, _ = parse_line("status")
    assert verb.name == "status"
    assert parsed("unload demo --force").force is True


def test_a_cell() -> None:
    options, _ = parse_cell("demo --system \"Be 'brief'.\" --max-tokens 5 --temperature 0.5 --seed -3")
    assert (options.model, options.system, options.max_tokens) == ("demo", "Be 'brief'.", 5)
    assert (options.temperature, options.seed) == (0.5, -3)
    assert parse_cell("").options.model is None


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


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--temperature hot", "not a number"),
        ("a b", "b"),
        ("--sys x", "--sys"),
        ("--var 'two words'", "not a name for a variable"),
        ("--var class", "not a name for a variable"),
        ("--var __name__", "not a name for a variable"),
        ("--var print", "a name of Python's own"),
    ],
)
def test_mistakes_in_a_cell_are_one_line(line: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        parse_cell(line)


def test_the_help_fits_a_screen() -> None:
    lines = HELP.splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines)) <= COLUMNS
    assert all(f"%uml {name}" in HELP for name in NAMES)


@pytest.mark.parametrize("name", [*NAMES, "%%uml"])
def test_each_command_has_a_page_of_its_own(name: str) -> None:
    page = help_of(name)
    assert max(map(len, page.splitlines())) <= COLUMNS
    assert parse_line(f"help {name}") == page
    if name not in ("help", "%%uml"):
        assert parse_line(f"{name} --help") == page


def test_the_page_of_load_names_every_setting() -> None:
    for option in ("n-ctx", "n-parallel", "n-threads", "n-gpu-layers", "kv-type", "draft-model", "n-batch", "pin"):
        assert f"--{option}" in help_of("load")


@pytest.mark.parametrize(("line", "said"), [("laod demo", "Did you mean `%uml load`"), ("xyzzy", "lists the commands")])
def test_a_command_that_is_not_there_is_told_kindly(line: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        parse_line(line)
