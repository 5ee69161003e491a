"""The functions that a model wants called: called if the person agrees, each result shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jupyter_uml.display.render import result_html, result_text
from jupyter_uml.kernel.cell_view import view_for
from jupyter_uml.kernel.notebook import Notebook
from jupyter_uml.types import Message, ToolCall

REFUSED = '{"error": "The user did not allow this call."}'


def call_allowed(
    notebook: Notebook, calls: Iterable[ToolCall], functions: Sequence[Callable[..., Any]], allow: bool
) -> tuple[Message, ...]:
    """The results, in order, for the model to read; a no is one, too. `allow`: nobody is asked.

    Raises:
        UmlMagicError: nobody can be asked.
        Exception: whatever a function raises.
    """
    return tuple(_result(notebook, call, functions, allow) for call in calls)


def _result(notebook: Notebook, call: ToolCall, functions: Sequence[Callable[..., Any]], allow: bool) -> Message:
    from jupyter_uml.client.tools import call_tools, name_of  # only those who offer functions wait for pydantic

    function = next((each for each in functions if name_of(each) == call.name), None)
    if function is None or allow or notebook.consent.given(call, function):
        (result,) = call_tools([call], functions)
    else:
        result = Message("tool", REFUSED, call.name, tool_call_id=call.id)
    view_for(notebook.shell).show(result_html(result.content), result_text(result.content))
    return result
