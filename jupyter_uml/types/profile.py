"""A profile: named settings for a model, as the client and the routes tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from jupyter_uml.types.models import LoadSettings, Lora


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """`name`: of its file. `id`: by which it is asked for, which is another one where a model is called `name`.

    `sampling`: fields of `SamplingParams`. `keep_alive`: seconds; 0: at once, -1: never. `reason`: why it is of no use.
    """

    name: str
    id: str
    model: str = ""
    description: str = ""
    aliases: tuple[str, ...] = ()
    settings: LoadSettings = field(default_factory=LoadSettings)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    system_prompt: str | None = None
    keep_alive: float | None = None
    pin: bool = False
    reason: str | None = None

    def to_row(self) -> dict[str, Any]:
        """A row of `GET profiles`: the settings stand among the other fields, as `PUT profiles/{name}` takes them."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "settings"}
        return {**own, "aliases": list(self.aliases), "sampling": dict(self.sampling), **self.settings.asked()}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of `to_row`; fields of a newer server are passed over."""
        known = {f.name: row[f.name] for f in fields(cls) if f.name in row and f.name != "settings"}
        settings = {f.name: row[f.name] for f in fields(LoadSettings) if row.get(f.name) is not None}
        if "lora" in settings:
            settings["lora"] = tuple(Lora(**lora) for lora in settings["lora"])
        return cls(**known | {"aliases": tuple(row.get("aliases", ())), "settings": LoadSettings(**settings)})
