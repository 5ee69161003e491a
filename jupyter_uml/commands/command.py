"""What the sub-commands of `jupyter uml` share: Jupyter's configuration, one coroutine, errors as one line."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from jupyter_core.application import JupyterApp
from traitlets import Bool, Int, List, TraitError, TraitType, Unicode
from traitlets.config.loader import DeferredConfig, KVArgParseConfigLoader

from jupyter_uml import __version__
from jupyter_uml.defaults import DISK_BYTES, RAM_BYTES, default_cache_dir, default_model_dir
from jupyter_uml.errors import InvalidRequest, UmlError
from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.prompt_cache import prompt_cache
from jupyter_uml.service import Service

T = TypeVar("T")
_TRAITS: dict[type[Any], TraitType[Any, Any]] = {bool: Bool(), int: Int(), str: Unicode(), list: List(Unicode())}


class _StrictLoader(KVArgParseConfigLoader):
    """An option that does not exist is an error: what was meant by it would be missed silently."""

    def _handle_unrecognized_alias(self, arg: str) -> None:
        raise TraitError(f"there is no option --{arg}; see --help")


JSON_FLAG = {"json": ({"Command": {"as_json": True}}, "Print JSON, for programs; errors, too.")}


class Command(JupyterApp):
    """A sub-command; what it does stands in `run`. Settings of `UMLApp` count here as they do in the server."""

    version = __version__
    config_file_name = "jupyter_server_config"
    as_json = Bool(False, help="Print JSON, for programs; errors, too.").tag(config=True)

    async def run(self) -> None:
        """
        Raises:
            UmlError: it cannot be done.
        """
        raise NotImplementedError

    def _create_loader(self, argv: Any, aliases: Any, flags: Any, classes: Any) -> KVArgParseConfigLoader:
        return _StrictLoader(argv, aliases, flags, classes=classes, log=self.log, subcommands=self.subcommands)

    def start(self) -> None:
        super().start()
        logging.getLogger("jupyter_uml").setLevel(logging.CRITICAL)  # what goes wrong is told below, once
        try:
            asyncio.run(self.run())
            sys.stdout.flush()
        except BrokenPipeError:  # who reads has seen enough; what is still buffered goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self.exit(1)
        except UmlError as error:
            if self.as_json:
                self.print_json({"error": error.to_dict()})
            else:
                print(f"{self.name}: {error.message}", file=sys.stderr)
            self.exit(1)
        except KeyboardInterrupt:
            self.exit(130)

    def setting(self, name: str, default: T) -> T:
        """A setting of `UMLApp`, from the configuration or the command line."""
        value: Any = self.config.get("UMLApp", {}).get(name, default)
        if isinstance(value, DeferredConfig):  # words of the command line, which say nothing of their type
            value = value.get_value(_TRAITS[type(default)])
        if isinstance(default, list) and isinstance(value, str):
            value = [value]
        return value if isinstance(value, type(default)) else default

    def catalog(self) -> Catalog:
        """The models that a server of this user would have."""
        demo, stores = self.setting("demo_model", True), self.setting("other_stores", True)
        return Catalog.of_user(self.folders(), demo=demo, other_stores=stores)

    def service(self, catalog: Catalog) -> Service:
        """What a server of this user would do with these models, in this process."""
        cache_dir = self.setting("cache_dir", str(default_cache_dir()))
        sizes = self.setting("cache_ram", RAM_BYTES), self.setting("cache_disk", DISK_BYTES)
        cache = partial(prompt_cache, Path(cache_dir).expanduser() if cache_dir else None, *sizes)
        return Service.over(catalog, cache, limit=self.memory_limit())

    def memory_limit(self) -> int | None:
        """Bytes that all models of a server may take together, where somebody has limited that."""
        return self.setting("max_model_memory", 0) or None

    def folders(self) -> list[Path]:
        """The folders that are searched, that of this user first."""
        return [default_model_dir(), *(Path(folder).expanduser() for folder in self.setting("model_dirs", list[str]()))]

    def argument(self, what: str) -> str:
        """The one word that stands behind the options.

        Raises:
            InvalidRequest: there is none, or more than one.
        """
        if len(self.extra_args) != 1:
            raise InvalidRequest(f"Say which {what}, one: {self.name} {what.upper()}")
        return self.extra_args[0]

    def print_json(self, content: Mapping[str, Any]) -> None:
        print(json.dumps(content, indent=2, ensure_ascii=False))
