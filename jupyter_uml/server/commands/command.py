"""What the sub-commands of `jupyter uml` share: Jupyter's configuration, one coroutine, errors as one line."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any, TypeVar

from jupyter_core.application import JupyterApp

from jupyter_uml import __version__
from jupyter_uml.errors import UmlError

T = TypeVar("T")


class Command(JupyterApp):
    """A sub-command; what it does stands in `run`. Settings of `UMLApp` count here as they do in the server."""

    version = __version__
    config_file_name = "jupyter_server_config"

    async def run(self) -> None:
        """
        Raises:
            UmlError: it cannot be done.
        """
        raise NotImplementedError

    def start(self) -> None:
        super().start()
        logging.getLogger("jupyter_uml").setLevel(logging.CRITICAL)  # what goes wrong is told below, once
        try:
            asyncio.run(self.run())
        except UmlError as error:
            print(f"{self.name}: {error.message}", file=sys.stderr)
            self.exit(1)
        except KeyboardInterrupt:
            self.exit(130)

    def setting(self, name: str, default: T) -> T:
        """A setting of `UMLApp`, from the configuration or the command line."""
        value: Any = self.config.get("UMLApp", {}).get(name, default)
        return value if isinstance(value, type(default)) else default
