"""A cell's question: asked, its answer shown, the functions that the model wants called, called; the answer kept."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jupyter_uml.client import Answer
from jupyter_uml.client.parsed import ParsedAnswer
from jupyter_uml.display.render import answer_text
from jupyter_uml.kernel.answering import Answering, Told
from jupyter_uml.kernel.cell_options import CellLine
from jupyter_uml.kernel.cells_above import cells_above
from jupyter_uml.kernel.conversation import Turn
from jupyter_uml.kernel.notebook import Notebook
from jupyter_uml.kernel.notebook_file import SavedAnswer, SavedCell
from jupyter_uml.kernel.question import Around, Question, compose
from jupyter_uml.kernel.quiet_error import UmlMagicError
from jupyter_uml.kernel.tool_calls import call_allowed
from jupyter_uml.kernel.traceback_question import code_of, traceback_question
from jupyter_uml.types import Message

MAX_ROUNDS = 16  # of answers that want functions called
LAST = "_uml"  # the variable that holds the last answer


def ask(notebook: Notebook, line: CellLine, text: str) -> Answer:
    """`text`: of the cell, below its line.

    Raises:
        UmlError: it was refused, or failed.
        KeyboardInterrupt: it was stopped. What had come is shown, and kept as the answer.
    """
    if line.wish is None:
        return _ask(notebook, line.options, text)
    question = traceback_question(notebook.log, notebook.shell, line.wish, text)
    line.options.raw = True
    answer = _ask(notebook, line.options, question)
    if line.wish == "fix" and (code := code_of(answer.text)):
        notebook.shell.set_next_input(code)  # to be looked at: it is never run here
    return answer


def _ask(notebook: Notebook, options: argparse.Namespace, text: str) -> Answer:
    notebook.tell_model(options)
    chat = None if options.chat is None else notebook.conversations.open(options.chat)
    above = cells_above(notebook.log, options.cells, notebook.path) if options.cells else None
    around = Around(notebook.names, notebook.settings, chat, above, notebook.cell_id())
    question = compose(options, text, around)
    told: list[Told] = []
    try:
        messages = _converse(notebook, question, told)
    finally:
        _record(notebook, text, told)
    answer = told[-1].answer
    if chat is not None and (answer.text or answer.finish_reason != "aborted"):  # else nothing has been said
        chat.system = question.options.system
        notebook.conversations.take(chat, Turn(around.cell, (question.asked, *messages)))
    if answer.finish_reason == "aborted":
        raise KeyboardInterrupt
    if options.var:
        notebook.shell.user_ns[options.var] = _value(question, answer)
    return answer


def _converse(notebook: Notebook, question: Question, told: list[Told]) -> Sequence[Message]:
    """The messages that came of it, each answer told as it comes."""
    request, options = question.request, question.options
    answering = Answering(notebook, options.cache, question.form, question.notes)
    while len(told) < MAX_ROUNDS:
        told.append(answering.answer(request))
        answer = told[-1].answer
        messages = (*request.messages, answer.message)
        if not question.functions or answer.finish_reason != "tool_calls":
            return messages[len(question.request.messages) :]
        results = call_allowed(notebook, answer.tool_calls, question.functions, options.allow_tools)
        request = replace(request, id=uuid.uuid4().hex, messages=(*messages, *results))
    raise UmlMagicError(f"After {MAX_ROUNDS} rounds of calls the model still wants more.")


def _record(notebook: Notebook, text: str, told: Sequence[Told]) -> None:
    """For later cells, and for those who look for what this session has answered."""
    for answer, _ in told:
        notebook.log.answered(answer_text(answer))
        notebook.shell.user_ns[LAST] = answer
    if told:
        saved = tuple(SavedAnswer(answer_text(answer), record) for answer, record in told)
        notebook.answers.append(SavedCell(notebook.log.number, notebook.log.source or text, answers=saved))


def _value(question: Question, answer: Answer) -> Any:
    """
    Raises:
        UnparsableAnswer: it has not the form that was asked for.
    """
    return answer.text if question.form is None else ParsedAnswer.of(answer, question.form).parsed
