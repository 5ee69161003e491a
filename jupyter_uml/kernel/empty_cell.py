"""`%%uml fix` with nothing below it: IPython refuses cells without a body, and there is nothing to write here."""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell

from jupyter_uml.kernel.traceback_question import WISHES


class EmptyCell:
    """Makes such a cell, and a lone `%%uml`, the line `%uml …`."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._transforms = shell.input_transformers_cleanup
        self._transforms.append(as_line)

    def close(self) -> None:
        if as_line in self._transforms:
            self._transforms.remove(as_line)


def as_line(lines: list[str]) -> list[str]:
    words = lines[0].split() if lines else []
    alone = words[:1] == ["%%uml"] and (len(words) == 1 or words[1] in WISHES)
    if alone and not any(line.strip() for line in lines[1:]):
        return [lines[0].lstrip()[1:].rstrip("\n") + "\n"]
    return lines
