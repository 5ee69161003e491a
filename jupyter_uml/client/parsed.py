"""Answers that were asked for in a form, as the Python values that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from jupyter_uml.client.loop_thread import LoopThread
from jupyter_uml.client.stream import Answer, AsyncStream, Opener, Stream
from jupyter_uml.errors import UnparsableAnswer
from jupyter_uml.types import GenerateRequest

if TYPE_CHECKING:
    from jupyter_uml.client.schemas import TypedJSON

T = TypeVar("T")


@dataclass(frozen=True)
class ParsedAnswer(Answer, Generic[T]):
    """An answer to a question with `schema=`; `parsed` is its text as a value of that type."""

    form: TypedJSON | None = field(default=None, repr=False, compare=False)

    @cached_property
    def parsed(self) -> T:
        """
        Raises:
            UnparsableAnswer: the answer was cut, or calls tools instead; `text` and `finish_reason` say more.
        """
        assert self.form is not None
        try:
            return cast(T, self.form.read(self.text))
        except ValueError as error:
            raise UnparsableAnswer(_why(self), finish_reason=self.finish_reason) from error

    @classmethod
    def of(cls, answer: Answer, form: TypedJSON) -> ParsedAnswer[T]:
        return cls(**{f.name: getattr(answer, f.name) for f in fields(Answer)}, form=form)


class AsyncParsedStream(AsyncStream, Generic[T]):
    """An answer in a form, on its way."""

    def __init__(self, request: GenerateRequest, open_: Opener, form: TypedJSON) -> None:
        super().__init__(request, open_)
        self._form = form

    @property
    def answer(self) -> ParsedAnswer[T]:
        return ParsedAnswer.of(super().answer, self._form)


class ParsedStream(Stream, Generic[T]):
    """An `AsyncParsedStream` for synchronous code."""

    def __init__(self, thread: LoopThread, stream: AsyncParsedStream[T]) -> None:
        super().__init__(thread, stream)

    @property
    def answer(self) -> ParsedAnswer[T]:
        return cast("ParsedAnswer[T]", super().answer)


def form_of(schema: Any) -> TypedJSON | None:
    """`schema`: a JSON schema as a dict, whose values are what JSON has; or a type, such as a pydantic model.

    Raises:
        InvalidRequest: no JSON schema describes the type.
    """
    if schema is None:
        return None
    from jupyter_uml.client.schemas import TypedJSON

    return TypedJSON(Any, dict(schema)) if isinstance(schema, Mapping) else TypedJSON(schema)


def _why(answer: Answer) -> str:
    match answer.finish_reason:
        case "length":
            return "The answer was cut, at max_tokens or the end of the context, before it had the form asked for."
        case "tool_calls":
            return "The answer calls tools: it has the form asked for once it has their results."
        case "aborted":
            return "The answer was stopped before it had the form asked for."
    return "The answer has not the form asked for: a stop string may have ended it, or a check of the type's own."
