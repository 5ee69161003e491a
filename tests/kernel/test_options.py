"""The options of the magics, and one readable line where they are wrong."""

from __future__ import annotations

import pytest

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.options import HELP, parse_cell, parse_line


def test_load() -> None:
    options = parse_line("load org/model:q4 --n-ctx 4096 --n-gpu-layers -1 --kv-type q8_0")
    assert (options.verb, options.model, options.n_ctx, options.n_gpu_layers) == ("load", "org/model:q4", 4096, -1)
    assert (options.kv_type, options.n_threads, options.n_parallel) == ("q8_0", None, None)


def test_the_others() -> None:
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
        ("models demo", "demo"),
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


@pytest.mark.parametrize(("line", "said"), [("laod demo", "Did you mean `%uml load`"), ("xyzzy", "lists the commands")])
def test_a_command_that_is_not_there_is_told_kindly(line: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        parse_line(line)
