"""All requests that are being answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from jupyter_uml.errors import GenerationNotFound
from jupyter_uml.live.run import Run
from jupyter_uml.loader.news import News
from jupyter_uml.types import GenerationLabel


class Running:
    """For one event loop. `news`: one has come, has its first token or has ended; not every token."""

    def __init__(self) -> None:
        self.news = News()
        self._runs: dict[str, Run] = {}  # the oldest first

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    def enter(
        self, id_: str, model: str, principal_id: str, who: str, route: str, label: GenerationLabel | None = None
    ) -> Run:
        """A request has been let in. `id_`: of the request. `who`: the name of who asks."""
        label = label or GenerationLabel()
        kind = "inline" if route.endswith("inline_completion") else label.kind  # over HTTP or a socket
        run = Run(id_, model, principal_id, who, route, kind, label.question, self.news)
        self._runs[id_] = run
        self.news.tell()
        return run

    def leave(self, run: Run) -> None:
        """It is over."""
        if self._runs.get(run.id) is run:
            del self._runs[run.id]
            self.news.tell()

    def get(self, id_: str, is_allowed: Callable[[Run], bool]) -> Run:
        """
        Raises:
            GenerationNotFound: nothing of this id is being answered, for all that whoever asks may know.
        """
        if (run := self._runs.get(id_)) is None or not is_allowed(run):
            raise GenerationNotFound("There is no such answer under way. `GET running` lists those that are.")
        return run
