"""The metadata of a model's architecture, as far as it is numbers. What is no sensible number counts as 0."""

from __future__ import annotations

from collections.abc import Mapping

from jupyter_uml.loader.catalog.gguf_file import Value


class Keys:
    """Metadata of the model's architecture, by the names without its prefix."""

    def __init__(self, metadata: Mapping[str, Value]) -> None:
        self.architecture = str(metadata.get("general.architecture", ""))
        self._metadata = metadata

    def value(self, name: str) -> Value | None:
        return self._metadata.get(f"{self.architecture}.{name}")

    def number(self, name: str, otherwise: int = 0) -> int:
        """A whole number; of a list the largest."""
        value = self.value(name)
        if isinstance(value, tuple):
            return max((whole(item) for item in value), default=otherwise)
        return otherwise if value is None else whole(value)

    def each(self, name: str, n_layers: int, otherwise: int = 0) -> list[int]:
        """The number for each layer, whether the file lists them or gives one for all."""
        value = self.value(name)
        if isinstance(value, tuple):
            listed = [whole(item) for item in value[:n_layers]]
            return listed + [otherwise] * (n_layers - len(listed))
        return [self.number(name, otherwise)] * n_layers


def whole(value: Value) -> int:
    return max(0, int(value)) if isinstance(value, (bool, int, float)) and abs(value) < 1 << 40 else 0


def count(value: Value) -> int:
    """Elements of an array, of which a long one is only known by their number."""
    return len(value) if isinstance(value, tuple) else whole(value)
