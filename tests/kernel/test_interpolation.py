"""What in a question is replaced, and what stays as it was written."""

from __future__ import annotations

import time

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.interpolation import fill_in, names_of

NAMES = {
    "x": 3,
    "n": 5,
    "name": "Ann",
    "price": 1234.5,
    "items": [1, 2],
    "row": {"a": 1, "k}": 7},
    "color": "red",
    "same": lambda value: value,
    "frame": pd.DataFrame({"a": range(100)}),
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Hello {name}!", "Hello Ann!"),
        ("{x + 1} of {n}, {len(items)}, {sum(items) * 2}", "4 of 5, 2, 6"),
        ("{row['a']} {row['k}']} {items}", "1 7 [1, 2]"),
        ('{same({"a": 1})}', '{"a": 1}'),
        ("{[value * 2 for value in items]}", "[2, 4]"),
        ("{price:,.2f} {price:.0f} {name!r}", "1,234.50 1234 'Ann'"),
        ("report_{n}.txt", "report_5.txt"),
        ('{"name": "{name}", "n": {x}}', '{"name": "Ann", "n": 3}'),
        ("It costs $5, {x} or $7", "It costs $5, 3 or $7"),
    ],
)
def test_what_a_person_means_is_replaced(text: str, filled: str) -> None:
    assert fill_in(text, NAMES).text == filled


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        "{'x': x}",
        "{}",
        "{{",
        "{{x}}",
        "{{{x}}}",
        "{",
        "}{",
        "{ x }",
        "{x\n}",
        "{1} {'x'} {x, n} {x: 1} {x:1} {x for x in items}",
        "{len} {print} {len('abc')} {id} {__import__('os')}",
        "{unknown} {x + unknown}",
        "{await x} {lambda x: x} {(x := 3)}",
        "body {color: red}",
        "${x} and $name",
        r"\frac{n}{x} \sqrt[3]{x} \mathbf{x} x^{n}",
        "$x_{n} = {x}$ and $$\n{x}\n$$ and \\(x_{n}\\) and \\[{x}\\]",
        'print(f"{x} and {name!r}")',
        "f'{x}' rf\"{x}\"",
        '"{x}".format(x=1)',
        "```python\ny = {x}\nprint(f'{x}')\n```",
        "import { x } from 'x'; const { name } = row",
        "Ünïcödé {é} \U0001f600",
    ],
)
def test_what_means_something_else_stays(text: str) -> None:
    assert fill_in(text, NAMES).text == text


def test_in_a_block_of_code_an_expression_stands_alone_on_its_line() -> None:
    text = "```\n{name}\nx = {x}\n  {x}\n```\n{x}"
    assert fill_in(text, NAMES).text == "```\nAnn\nx = {x}\n  3\n```\n3"


def test_it_is_told_what_was_filled_in_and_what_looks_like_a_slip() -> None:
    filled = fill_in("{frame} {x} {x} {frmae} {zebra} {y}", NAMES)
    assert filled.names == ("{frame} (30 of 100 rows)", "{x}")
    assert filled.slips == ("frmae",)
    assert "{frmae}" in filled.text


def test_an_expression_that_raises_is_named_in_one_line() -> None:
    with pytest.raises(InvalidRequest, match=r"\{row\['b'\]\} in the question: KeyError: 'b'"):
        fill_in("{x} {row['b']}", NAMES)
    with pytest.raises(InvalidRequest, match=r"\{name:\.2f\} in the question: Unknown format code 'f'"):
        fill_in("{name:.2f}", NAMES)
    with pytest.raises(InvalidRequest, match="in the question: RuntimeError"):
        fill_in("{same(fail())}", {**NAMES, "fail": _fail})
    with pytest.raises(InvalidRequest, match=r"\{mute\} in the question: no words"):
        fill_in("{mute}", {"mute": Mute()})


class Mute:
    def __str__(self) -> str:
        raise RuntimeError("no words")


def _fail() -> None:
    raise RuntimeError("first\nsecond")


def test_names_that_ipython_brings_are_not_the_notebooks() -> None:
    own = names_of({"x": 1, "exit": "quitter", "_": 42}, {"exit": "quitter", "_": ""})
    assert own == {"x": 1, "_": 42}


@given(st.text(alphabet="{}\"'$\\`:\n abcxf()[]^_1", max_size=60))
def test_any_text_at_all_is_read_and_without_names_stays(text: str) -> None:
    assert fill_in(text, {}).text == text
    fill_in(text, {"zz": 1})


def test_long_texts_take_no_time() -> None:
    began = time.process_time()
    for text in ("{" * 50_000, '{"x": {"y": [1]}} ' * 5000, "\\a[{x " * 10_000, "$$ {zz} " * 5000, "```\n{zz} " * 5000):
        fill_in(text, {"x": 1})
    assert time.process_time() - began < 10
