"""`python -m jupyter_uml` is `jupyter uml`. A sub-command does without the server's imports, which take seconds."""

from __future__ import annotations

import sys

from traitlets.utils.importstring import import_item

from jupyter_uml.subcommands import SUBCOMMANDS


def main() -> None:
    """`jupyter uml`."""
    name, *arguments = sys.argv[1:] or [""]
    if name in SUBCOMMANDS:
        import_item(SUBCOMMANDS[name][0]).launch_instance(arguments)
    else:
        from jupyter_uml.server.extension import UMLApp

        UMLApp.launch_instance()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
