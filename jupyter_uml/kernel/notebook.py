"""What the commands and cells of one notebook share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from jupyter_uml.client import UniversalClient
from jupyter_uml.errors import UmlError
from jupyter_uml.kernel.cell_log import CellLog
from jupyter_uml.kernel.cells_above import notebook_path
from jupyter_uml.kernel.conversation import Conversations
from jupyter_uml.kernel.interpolation import names_of
from jupyter_uml.kernel.known_models import KnownModels
from jupyter_uml.kernel.notebook_file import SavedCell
from jupyter_uml.kernel.session import shared_client
from jupyter_uml.kernel.settings import Settings
from jupyter_uml.kernel.tool_consent import ToolConsent


class Notebook:
    """`answers`: what its cells have shown, for those who have no file of it. `meant`: the model that a cell without
    one asks, where the client cannot know it since the last answer came from the cache."""

    def __init__(self, shell: InteractiveShell, settings: Settings) -> None:
        self.shell = shell
        self.settings = settings
        self.conversations = Conversations()
        self.consent = ToolConsent(lambda: hasattr(shell, "kernel") or sys.stdin.isatty())
        self.log = CellLog(shell)
        self.answers: list[SavedCell] = []
        self.meant: str | None = None
        self._models = KnownModels()
        self._seeded: dict[str, bool] = {}

    def close(self) -> None:
        self.log.close()

    @property
    def client(self) -> UniversalClient:
        return shared_client()

    @property
    def place(self) -> str:
        """Where models run, in words."""
        return "this kernel" if self.client.server() is None else "the Jupyter server"

    @property
    def names(self) -> Mapping[str, Any]:
        """What is defined in the notebook."""
        return names_of(self.shell.user_ns, self.shell.user_ns_hidden)

    @property
    def path(self) -> Path | None:
        return notebook_path(self.shell.user_ns)

    def cell_id(self) -> str | None:
        """Of the cell that runs, as the frontend calls it; None where it tells none, as in a terminal."""
        return self.log.running

    def tell_model(self, options: argparse.Namespace) -> None:
        """`--chat demo` has no name for the conversation, but one of a model."""
        if options.chat and options.model is None and options.chat in self.known_models():
            options.model, options.chat = options.chat, ""

    def has_own_seed(self, model: str) -> bool:
        """Whether the model is a profile with a seed, which another would replace."""
        if model not in self._seeded:
            try:
                base = self.client.model(model).base
            except UmlError:  # a file that has just been put there is found by whoever asks it
                return False
            profiles = self.client.profiles() if base else []
            self._seeded[model] = any(row.id == model and "seed" in row.sampling for row in profiles)
        return self._seeded[model]

    def profiles_changed(self) -> None:
        self._seeded.clear()

    def known_models(self) -> Iterable[str]:
        """For completion: those known of, soon, and without an error."""
        return self._models.names(self.client)

    def known_profiles(self) -> Iterable[str]:
        return self._models.profiles(self.client)
