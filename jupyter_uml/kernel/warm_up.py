"""What the first answer needs, fetched while nobody waits for it."""

from __future__ import annotations

import threading

from jupyter_uml.client.warm_up import fetch
from jupyter_uml.display.render import to_html


def warm_up() -> None:
    """Returns at once. Not by a daemon: imports that are cut off by the end of the process would abort it."""
    threading.Thread(target=_fetch, name="jupyter_uml warm-up").start()


def _fetch() -> None:
    fetch()
    to_html("```python\npass\n```")  # the readers of Markdown and of code are made when they are first needed
