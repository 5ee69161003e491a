"""The tree of errors keeps its form over both borders."""

from __future__ import annotations

import pytest

from jupyter_uml import errors
from jupyter_uml.errors import ContextLengthExceeded, InsufficientMemory, InvalidRequest, ModelNotFound, UmlError


def every_class() -> list[type[UmlError]]:
    found, todo = [], [UmlError]
    while todo:
        cls = todo.pop()
        found.append(cls)
        todo += [sub for sub in cls.__subclasses__() if sub.__module__ == errors.__name__]
    return found


@pytest.mark.parametrize(
    "error",
    [
        ContextLengthExceeded(1500, 1024),
        InsufficientMemory("llama", 8 << 30, 2 << 30),
        ModelNotFound("x", ["demo"]),
        errors.ModelRestarting("back soon", retry_after=2),
        InvalidRequest("wrong", param="n_ctx"),
    ],
)
def test_an_error_survives_being_sent(error: UmlError) -> None:
    back = UmlError.from_dict(error.to_dict())
    assert type(back) is type(error)
    assert back.to_dict() == error.to_dict()
    assert back.retry_after == error.retry_after


def test_codes_are_unique() -> None:
    codes = [cls.code for cls in every_class()]
    assert len(set(codes)) == len(codes)


def test_an_unknown_code_is_kept() -> None:
    back = UmlError.from_dict({"message": "m", "type": "t", "param": None, "code": "from_the_future"})
    assert type(back) is UmlError
    assert back.details["reported_code"] == "from_the_future"


def test_the_context_error_has_both_numbers() -> None:
    message = str(ContextLengthExceeded(1500, 1024))
    assert "1500" in message
    assert "1024" in message
