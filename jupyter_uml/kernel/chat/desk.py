"""What lies ready for the next question: what is attached, and what could be chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jupyter_uml.client import UniversalClient
from jupyter_uml.display import figures
from jupyter_uml.errors import InvalidRequest, UmlError
from jupyter_uml.kernel.chat.attached import MAX_ATTACHED, Attached, Variable, image_of, value_of
from jupyter_uml.kernel.chat.variables import kind_of, listed, notebook_names
from jupyter_uml.kernel.chat.view import ChatView
from jupyter_uml.kernel.live_models import live_models
from jupyter_uml.types import ModelStatus, ServerState


class Desk:
    """Of one panel. What is about variables is for the kernel's thread, where they are."""

    def __init__(self, view: ChatView, client: UniversalClient) -> None:
        self._view, self._client = view, client
        self._waiting: list[Variable | Attached] = []
        self._models: dict[str, ModelStatus] = {}
        self._heard = 0  # states that were pushed
        self._unfollow: Callable[[], None] | None = None
        view.observe(lambda _: self._look_at_model(), ["settings", "heading"])

    def list_models(self) -> None:
        """Ask which there are; returns at once."""
        self._client.background.start(self._list_models())

    def list_variables(self) -> None:
        self._view.variables = listed(notebook_names())

    def attach_variable(self, name: str) -> None:
        """
        Raises:
            InvalidRequest: there is none of this name, or too much is attached.
        """
        names = notebook_names()
        if name not in names:
            raise InvalidRequest(f"There is no variable {name[:80]!r} in this notebook.", param="name")
        self._add(Variable(name, kind_of(names[name])))

    def attach_image(self, name: str, data: bytes) -> None:
        """
        Raises:
            InvalidRequest: it cannot be read, the model sees no images, or too much is attached.
        """
        image = image_of(name, data)
        self._look_at_model()
        if self._view.blind:
            raise InvalidRequest(self._view.blind)
        self._add(image)

    def detach(self, name: str) -> None:
        self._waiting = [each for each in self._waiting if each.name != name]
        self._tell()

    def read(self) -> list[Attached]:
        """All that is attached, variables as they are now.

        Raises:
            InvalidRequest: a variable cannot be read.
        """
        names = notebook_names()
        return [value_of(each.name, names) if isinstance(each, Variable) else each for each in self._waiting]

    def clear(self) -> None:
        self._waiting = []
        self._tell()

    def _add(self, new: Variable | Attached) -> None:
        others = [each for each in self._waiting if each.name != new.name]
        if len(others) >= MAX_ATTACHED:
            raise InvalidRequest(f"{figures.plural(MAX_ATTACHED, 'thing')} can go with one question.", param="name")
        self._waiting = [*others, new]
        self._tell()

    def _tell(self) -> None:
        self._view.attached = [each.told() for each in self._waiting]

    # --- which models there are, on the client's thread -----------------------------------------

    async def refresh(self) -> None:
        """
        Raises:
            UmlError: nobody can be asked.
        """
        heard = self._heard
        rows = await self._client.aio.models()
        if heard == self._heard:  # else what was pushed meanwhile is newer
            self._know(rows)

    def look(self, seen: bool) -> None:
        """Hear of the models while somebody sees the panel."""
        if seen:
            self._unfollow = live_models(self._client).follow(self)
        elif self._unfollow is not None:
            self._unfollow()
            self._unfollow = None

    def take(self, state: ServerState) -> None:
        self._heard += 1
        self._know(state.models)

    def fail(self, error: UmlError) -> None:
        """What is known stands: whoever asks is told."""

    def _know(self, rows: Sequence[ModelStatus]) -> None:
        usable = [row for row in rows if row.reason is None]
        self._models = {row.id: row for row in usable}
        self._view.models = [[row.id, _label(row)] for row in usable]
        self._look_at_model()

    async def _list_models(self) -> None:
        try:
            await self.refresh()
        except UmlError as error:
            self._view.notice = str(error)

    def _look_at_model(self) -> None:
        """Of a model that is not known, whoever asks it will be told."""
        with self._view.lock:
            model = self._models.get(self._view.settings.get("model") or self._view.heading)
            blind = ""
            if model is not None and not _sees(model):
                blind = f"{model.id} does not see images. Choose a model that does in the settings."
            self._view.blind = blind


def _sees(model: ModelStatus) -> bool:
    if model.info is not None:
        return model.info.can_see
    return model.facts is None or model.facts.can_see


def _label(row: ModelStatus) -> str:
    sees = "sees images" if (row.info or row.facts) and _sees(row) else ""
    loaded = "loaded" if row.state == "loaded" else ""
    return " · ".join(part for part in (row.id, figures.size(row.size_bytes), loaded, sees) if part)
