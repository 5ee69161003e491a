"""A prompt for every row: what is replaced, what stays, and which rows make none."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.mapping.template import RowRefusedError, Template


@pytest.mark.parametrize(
    ("text", "fields", "prompt"),
    [
        ("Judge: {text}", {"text": "fine"}, "Judge: fine"),
        ('Like {"a": {"b": 1}}: {text}', {"text": "x"}, 'Like {"a": {"b": 1}}: x'),
        ('{"label": {text}}', {"text": "x"}, '{"label": x}'),
        ("{} {0} {a b} {text}", {"text": "x"}, "{} {0} {a b} x"),
        ("{a b}, {0}", {"a b": 1, "0": 2.5}, "1, 2.5"),
        ("{{text}} is {text}", {"text": "x"}, "{text} is x"),
        ("{text}{text}", {"text": "{text}"}, "{text}{text}"),  # what was put in is not looked at again
        ("{größe} {text}", {"größe": "ü", "text": "🙂"}, "ü 🙂"),
        ("{row}", {"row": {"a": [1, "ü"]}}, '{"a": [1, "ü"]}'),
    ],
)
def test_only_names_of_columns_are_replaced(text: str, fields: dict[str, Any], prompt: str) -> None:
    assert Template(text).render(fields) == prompt


@given(st.text(), st.text())
def test_any_value_arrives_as_it_is(before: str, value: str) -> None:
    before = before.replace("{", "(")
    assert Template(before + "{x}").render({"x": value}) == before + value


class NAType:
    """As pandas has it: comparing it gives no truth."""

    def __ne__(self, other: object) -> Any:
        raise TypeError


@pytest.mark.parametrize("value", [None, math.nan, NAType(), b"bytes"])
def test_a_row_without_a_text_is_refused(value: Any) -> None:
    with pytest.raises(RowRefusedError, match=r"x (is|holds)"):
        Template("{x}").render({"x": value})


def test_a_column_that_one_row_lacks_is_that_rows_error() -> None:
    with pytest.raises(RowRefusedError, match="x is missing"):
        Template("{x}").render({"y": 1})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{reveiw}", "Did you mean {review}"),
        ("no column", "{review}"),
        ('{"a": 1} {{review}}', "the same for every row"),
    ],
)
def test_a_prompt_that_fits_no_row_is_told_before_any_is_asked(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Template(text).check(["review", "stars"])
    assert words in caught.value.message
    assert caught.value.param == "prompt"


def test_text_after_the_first_column_is_late() -> None:
    assert Template("abc{x}").late_text(["x"]) == 0
    assert Template("abc{x}def{y}g{z}").late_text(["x", "y"]) == len("defg{z}")
