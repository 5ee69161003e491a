"""`{expression}` in a cell's question, replaced by what it is in the notebook.

Braces mean something in JSON, CSS, LaTeX and code, too, and a question is often made of those. So only that is replaced
which a person must have meant: a Python expression, written without spaces inside the braces, that uses a name of the
notebook and no name that is not defined. Everything else stays as it was written, and so do `{{…}}`, `${…}`, strings
that Python formats, and formulas of LaTeX. In a block of code an expression must stand alone on its line.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from textwrap import shorten
from typing import Any

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.prompt_values import shape_note, value_text

MAX_EXPRESSION = 500  # characters
MAX_TOLD = 40  # of them, where it is told what was filled in
_CANDIDATES = 8  # closing braces that are tried

_FORMAT = re.compile(r"(.+?)(![rs])?(?::(,|,?\.\d+[eEfFgG%]))?", re.DOTALL)  # `x!r`, `price:,.2f`
_OPENING = re.compile(r"""(?<![{$])\{(?=[\w(\["'~+-])(?!"[^"\n]*"\s*:|'[^'\n]*'\s*:)""")  # not of JSON
_WORD = re.compile(r"[A-Za-z_]\w*")
_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[^\n]*\n.*?(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_STRING = r"""(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
_FORMATTED = re.compile(rf"\b(?:[fF][rR]?|[rR][fF])(?:{_STRING})|{_STRING}\.format(?:_map)?\(")
_FORMULA = re.compile(
    r"\$\$[^$]{1,2000}\$\$|\$[^$\s{](?:[^$\n]*[^$\s])?\$(?!\d)|\\[(\[](?:(?!\\[(\[]).){1,500}?\\[)\]]", re.DOTALL
)
_COMMAND = re.compile(r"\\[A-Za-z]+\*?(?:\[[^\]\n]{0,99}\])?(?:\{[^{}\n]{0,200}\})+|\^\{[^{}\n]{0,200}\}")
_COMPOUND = (ast.Dict, ast.Set, ast.DictComp, ast.SetComp, ast.Tuple, ast.Constant)  # these are text
_FORBIDDEN = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
_READING = (
    *(ast.Expression, ast.Name, ast.expr_context, ast.Attribute, ast.Subscript, ast.Slice, ast.Constant),
    *(ast.Tuple, ast.List, ast.Dict, ast.UnaryOp, ast.USub, ast.BinOp, ast.BitOr),
)
_NO_PLACE = 0.75  # how near a name must be to be taken for a slip


@dataclass(frozen=True, slots=True)
class Filled:
    """`names`: what was filled in, each with how much of it. `slips`: what looks like a misspelt name, and was left."""

    text: str
    names: tuple[str, ...] = ()
    slips: tuple[str, ...] = ()


def fill_in(text: str, names: Mapping[str, Any], reads_only: bool = False) -> Filled:
    """`names`: those of the notebook. `reads_only`: nothing that calls something is computed.

    Raises:
        InvalidRequest: an expression raises, or may not be computed; the message names it.
    """
    parts: list[str] = []
    told: dict[str, None] = {}
    slips: dict[str, None] = {}
    end = 0
    for start, stop, inner in _expressions(text, names):
        expression, conversion, form = _split(inner)
        if start < end or (tree := _parsed(expression)) is None:
            continue
        if not _is_meant(tree, names):
            slips.update(dict.fromkeys(_near(tree, names)))
            continue
        value = _value(expression, names, reads_only)
        parts += [text[end:start], _formatted(expression, value, conversion, form)]
        told[_told(expression, value)] = None
        end = stop
    return Filled("".join([*parts, text[end:]]), tuple(told), tuple(slips))


def check_reading(expression: str) -> None:
    """That it says what is there, and does nothing: names, what they hold, and types made of them.

    Raises:
        InvalidRequest: it does more.
        SyntaxError: it is no expression.
    """
    if not all(isinstance(node, _READING) for node in ast.walk(ast.parse(expression, mode="eval"))):
        raise InvalidRequest(f"{expression:.80} would run code, and its cell has not run in this kernel.")


def names_of(user: Mapping[str, Any], hidden: Mapping[str, Any]) -> dict[str, Any]:
    """Of the names that IPython has, those of the notebook."""
    return {name: value for name, value in user.items() if name not in hidden or hidden[name] is not value}


def _expressions(text: str, names: Mapping[str, Any]) -> Iterator[tuple[int, int, str]]:
    """Where each pair of braces that may hold an expression begins and ends, and what is in it."""
    kept = _as_written(text)
    for start in (found.start() for found in _OPENING.finditer(text)):
        if start in kept:
            continue
        for stop in _closings(text, start):
            inner = text[start + 1 : stop]
            known = inner.isidentifier() or any(word in names for word in _WORD.findall(inner))
            if known and not inner[-1].isspace() and _parsed(_split(inner)[0]) is not None:
                yield start, stop + 1, inner
                break


def _closings(text: str, start: int) -> Iterator[int]:
    line_end = text.find("\n", start)
    end = min(start + MAX_EXPRESSION, len(text) if line_end < 0 else line_end)
    stop = start
    for _ in range(_CANDIDATES):
        stop = text.find("}", stop + 1, end)
        if stop < 0:
            return
        yield stop


def _as_written(text: str) -> set[int]:
    """Places of braces that belong to what they stand in."""
    places: set[int] = set()
    for block in _FENCE.finditer(text):
        lone = re.compile(r"^[ \t]*(\{).*\}[ \t]*$", re.MULTILINE)
        alone = {found.start(1) for found in lone.finditer(text, block.start(), block.end())}
        places |= set(range(*block.span())) - alone
    for pattern in (_FORMATTED, _FORMULA, _COMMAND):
        for found in pattern.finditer(text):
            places.update(range(*found.span()))
    return places


def _split(inner: str) -> tuple[str, str, str]:
    """`price!r:,.2f` → the expression, the conversion, the format."""
    found = _FORMAT.fullmatch(inner)
    return (found[1], found[2] or "", found[3] or "") if found else (inner, "", "")


def _parsed(expression: str) -> ast.Expression | None:
    try:
        tree = ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if isinstance(tree.body, _COMPOUND) or any(isinstance(node, _FORBIDDEN) for node in ast.walk(tree)):
        return None
    return tree


def _is_meant(tree: ast.Expression, names: Mapping[str, Any]) -> bool:
    used = _used(tree)
    own = {name for name in used if name in names}
    return bool(own) and all(hasattr(builtins, name) for name in used - own)


def _used(tree: ast.Expression) -> set[str]:
    """The names that an expression takes from around it."""
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return found - bound - {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}


def _near(tree: ast.Expression, names: Mapping[str, Any]) -> Iterator[str]:
    """A lone name that is hardly another than one of the notebook."""
    if isinstance(tree.body, ast.Name) and len(tree.body.id) > 3:
        name = tree.body.id
        if get_close_matches(name, [known for known in names if not known.startswith("_")], 1, _NO_PLACE):
            yield name


def _value(expression: str, names: Mapping[str, Any], reads_only: bool) -> Any:
    if reads_only:
        check_reading(expression)
    try:
        return eval(compile(expression, "<question>", "eval"), dict(names))
    except Exception as error:
        said = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")
        raise InvalidRequest(f"{{{expression}}} in the question: {said}") from error


def _formatted(expression: str, value: Any, conversion: str, form: str) -> str:
    try:
        if conversion == "!r":
            return repr(value)
        return format(value, form) if form else value_text(value)
    except Exception as error:  # of the value's own
        raise InvalidRequest(f"{{{expression}{form and ':'}{form}}} in the question: {error}") from error


def _told(expression: str, value: Any) -> str:
    """`{df} (30 of 500 rows)`"""
    note = shape_note(value)
    return f"{{{shorten(expression, MAX_TOLD, placeholder=' …')}}}" + (f" ({note})" if note else "")
