"""The files that are loaded with a model: found in the catalog, and of the kind that they are asked for as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jupyter_uml.errors import InvalidRequest, ModelLoadFailed, ModelNotFound
from jupyter_uml.loader.catalog.catalog import Catalog, CatalogEntry
from jupyter_uml.loader.catalog.file_facts import facts_of
from jupyter_uml.loader.catalog.gguf_file import BrokenFile, GgufFile
from jupyter_uml.loader.catalog.inspector import Unreadable
from jupyter_uml.loader.memory.estimate import Companions
from jupyter_uml.loader.memory.headers import Headers
from jupyter_uml.types import LoadSettings, LoraFile

AGAIN_SECONDS = 5.0  # after which a disk that did not answer may be asked again


@dataclass(frozen=True, slots=True)
class ModelSet:
    """A model and what is loaded with it: what their headers say, and where they lie."""

    model: GgufFile
    companions: Companions
    lora: tuple[LoraFile, ...]
    draft_path: Path | None
    projector_path: Path | None


class Finder:
    """Reads the headers of whole sets."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._headers = Headers(catalog.inspector.headers)

    async def find(self, entry: CatalogEntry, wishes: LoadSettings) -> ModelSet:
        """The model with its own projector and adapters, and with the draft model and adapters that are asked for.

        Raises:
            ModelLoadFailed: a file of the model is broken, gone or cannot be read now.
            InvalidRequest: a draft model or adapter that is asked for cannot be used; `param` says which.
        """
        model = await self.header(entry)
        projector = await self._own(entry, entry.projector) if entry.projector else None
        own = [(LoraFile(f"of {entry.id}", str(path)), await self._own(entry, path)) for path in entry.adapters]
        asked = [await self._adapter(lora.id, lora.scale) for lora in wishes.lora or ()]
        draft_path, draft = await self._draft(wishes.draft_model) if wishes.draft_model else (None, None)
        adapters = [*own, *asked]
        companions = Companions(draft, projector, tuple(header for _, header in adapters))
        return ModelSet(model, companions, tuple(file for file, _ in adapters), draft_path, entry.projector)

    async def header(self, entry: CatalogEntry) -> GgufFile:
        """
        Raises:
            ModelLoadFailed: as `find`.
        """
        if entry.reason is not None:
            raise ModelLoadFailed(f"{entry.id} cannot be loaded: {entry.reason}")
        return await self._read(entry.id, [file.path for file in entry.files])

    async def close(self) -> None:
        """End what is being read."""
        await self._headers.close()

    async def _own(self, entry: CatalogEntry, path: Path) -> GgufFile:
        return await self._read(f"A file that belongs to {entry.id}", [path])

    async def _adapter(self, name: str, scale: float) -> tuple[LoraFile, GgufFile]:
        entry, header = await self._asked(name, "lora", "adapter", "a LoRA adapter")
        return LoraFile(name, str(entry.path), scale), header

    async def _draft(self, name: str) -> tuple[Path, GgufFile]:
        entry, header = await self._asked(name, "draft_model", "model", "a model that could guess ahead")
        return entry.path, header

    async def _asked(self, name: str, param: str, kind: str, noun: str) -> tuple[CatalogEntry, GgufFile]:
        """A companion that a caller names."""
        try:
            entry = await self._catalog.find(name)
            header = await self._read(entry.id, [file.path for file in entry.files])
        except (ModelNotFound, ModelLoadFailed) as error:
            raise InvalidRequest(error.message, param=param) from error
        facts = facts_of(header)
        if facts.kind != kind:
            raise InvalidRequest(f"{entry.id} is not {noun}. {facts.reason or ''}".strip(), param=param)
        if kind == "model" and entry.reason is not None:
            raise InvalidRequest(f"{entry.id} cannot be loaded: {entry.reason}", param=param)
        return entry, header

    async def _read(self, name: str, paths: Sequence[Path]) -> GgufFile:
        try:
            if not paths:
                raise FileNotFoundError
            return await self._headers.of(paths)
        except BrokenFile as error:
            raise ModelLoadFailed(f"{name} cannot be loaded: {error.reason}") from error
        except FileNotFoundError as error:
            raise ModelLoadFailed(f"{name} cannot be loaded: its file is gone.") from error
        except (TimeoutError, Unreadable) as error:
            raise ModelLoadFailed(
                f"{name} cannot be loaded: its disk does not answer.", retry_after=AGAIN_SECONDS
            ) from error
        except OSError as error:
            raise ModelLoadFailed(f"{name} cannot be loaded: its file cannot be read ({error.strerror}).") from error
