"""Frames in, frames with typed columns out. pandas and polars are optional: without one, its tests are left out."""

from __future__ import annotations

import enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.mapping.columns import Column, kind_of
from jupyter_uml.kernel.mapping.form import form_of
from jupyter_uml.kernel.mapping.result import MapStats, NewColumns, Outcome, RowError, mapped
from jupyter_uml.kernel.mapping.rows import Source, table_of
from jupyter_uml.kernel.mapping.template import Template

STATS = MapStats("demo", 3, 3, 0, 1, 0, 1.5, 10, 5, 3)


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Inner(BaseModel):
    x: int


class Review(BaseModel):
    mood: Mood
    stars: int
    score: float | None = None
    sure: bool
    note: str
    inner: Inner


ANSWER = '{"mood": "bad", "stars": 2, "score": null, "sure": true, "note": "ü", "inner": {"x": 1}}'


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "integer"}, "integer"),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, "number"),
        ({"enum": ["a", "b"]}, ("a", "b")),
        ({"const": "a"}, ("a",)),
        ({"enum": ["a", 1]}, None),
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, None),
        ({"type": "string", "format": "date"}, None),
        ({"$ref": "#/$defs/M", "$defs": {"M": {"enum": ["x"]}}}, ("x",)),
        ({"$ref": "#/$defs/no"}, None),
        ({"type": ["string", "null"]}, "string"),
        ({"type": ["string", "integer"]}, None),
        ({}, None),
    ],
)
def test_kinds_of_columns(schema: dict[str, Any], kind: Any) -> None:
    assert kind_of(schema) == kind


def test_answers_become_values_of_the_schemas_type() -> None:
    assert form_of(None).read(" text\n") == "text"
    assert form_of(int).read("12") == 12
    assert form_of(list[int]).read("[1]") == [1]
    assert form_of(Mood).read("good") is Mood.GOOD
    assert form_of(Literal["a", "b c"]).read("b c") == "b c"
    assert form_of({"type": "object"}).read('{"a": 1}') == {"a": 1}
    assert form_of(Review).read(ANSWER).inner == Inner(x=1)
    for schema, text in ((int, "x"), (Mood, "ugly"), (Review, "{}"), (Review, ANSWER[:20]), ({}, "{")):
        with pytest.raises(ValueError):  # noqa: PT011  pydantic's and json's have no words in common
            form_of(schema).read(text)


@pytest.mark.parametrize("schema", ["Review", 3, ["a"], object(), lambda: 1, type("Opaque", (), {})])
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        form_of(schema)
    assert caught.value.param == "schema"


def test_pandas_columns_have_the_types_of_the_schema_and_the_index_stays() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"review": ["a", None, "c"]}, index=["x", "y", "y"])
    result = _mapped(frame, Review)
    assert list(result.data.index) == ["x", "y", "y"]
    assert list(frame.columns) == ["review"]  # the frame that was given stays as it is
    types = {name: str(dtype) for name, dtype in result.data.dtypes.items() if name != "review"}
    assert types == {
        "mood": "category",
        "stars": "Int64",
        "score": "Float64",
        "sure": "boolean",
        "note": "string",
        "inner": "object",
        "error": "string",
    }
    first, missing, last = result.data.to_dict("records")
    assert (first["mood"], first["stars"], first["note"], first["inner"]) == ("bad", 2, "ü", {"x": 1})
    assert pandas.isna(first["error"])
    assert pandas.isna(missing["stars"])
    assert missing["error"] == "review is missing"
    assert pandas.isna(last["error"])
    assert result["stars"].sum() == 4
    assert "<table" in result._repr_html_()


def test_polars_columns_have_the_types_of_the_schema() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"review": ["a", None, "c"]})
    result = _mapped(frame, Review)
    types = [str(dtype).split("(")[0] for dtype in result.data.dtypes]
    assert types == ["String", "Enum", "Int64", "Float64", "Boolean", "String", "Struct", "String"]
    assert result.data["stars"].to_list() == [2, None, 2]
    assert result.data["error"].to_list() == [None, "review is missing", None]
    assert table_of(frame.lazy()) is not None


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_number_too_long_for_a_column_is_kept_whole(package: str) -> None:
    module = pytest.importorskip(package)
    table = table_of(module.DataFrame({"a": ["x", "y"]}))
    assert table is not None
    frame = table.with_columns([Column("n", "integer", [1 << 200, None])])
    assert frame["n"][0] == 1 << 200


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_series_becomes_a_column(package: str) -> None:
    module = pytest.importorskip(package)
    source = Source(module.Series(["a", "b"]), Template("{text}"))
    assert [row.fields for row in source] == [{"text": "a"}, {"text": "b"}]
    named = Source(module.Series(name="q", **{"data" if package == "pandas" else "values": ["a"]}), Template("{q}"))
    assert [row.fields for row in named] == [{"q": "a"}]


def test_columns_of_the_frame_are_not_overwritten() -> None:
    form = form_of(Review)
    with pytest.raises(InvalidRequest, match="'stars' already"):
        NewColumns(form, None, ["review", "stars"])
    outcome = [Outcome(None)]
    names = [column.name for column in NewColumns(form, "my", ["stars", "error"]).of(outcome)]
    assert names == ["my_mood", "my_stars", "my_score", "my_sure", "my_note", "my_inner", "my_error"]
    assert [column.name for column in NewColumns(form_of(int), None, ["a"]).of(outcome)] == ["answer", "error"]


def _mapped(frame: Any, schema: Any) -> Any:
    form, source = form_of(schema), Source(frame, Template("{review}"))
    good = Outcome(form.read(ANSWER))
    bad = Outcome(error=RowError(1, "y", "review is missing", "row_refused"))
    return mapped(source.table, NewColumns(form, None, ["review"]), [good, bad, good], STATS)
