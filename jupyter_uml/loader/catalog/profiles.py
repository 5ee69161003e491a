"""Named settings for a model: files that a person edits, uml/profiles/NAME.toml in Jupyter's config folder.

    model = "Qwen3-4B-Q4_K_M"
    n_ctx = 16384
    system_prompt = "You answer in French."
    [sampling]
    temperature = 0.2

NAME is then a model id of its own. Programs write such a file as a whole, and keep the one that they replace with its
comments, as NAME.toml.bak.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_config_dir

from jupyter_uml.engine.atomic_file import replacing
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.loader.catalog.facts_cache import FoundFile
from jupyter_uml.loader.catalog.folder_tree import FolderTree, found_file
from jupyter_uml.loader.catalog.model_files import ModelDefaults
from jupyter_uml.loader.catalog.setting_fields import SAMPLING, SETTINGS, Field, Flag, Number, Text, Texts, frozen
from jupyter_uml.types import LoadSettings, Lora
from jupyter_uml.types.duration import keep_alive_seconds

MAX_LORA = 16
_MAX_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_ID = Text(256)
_PLAIN: dict[str, Field] = {
    "model": _ID,
    "description": Text(1000),
    "aliases": Texts(16, 100),
    "system_prompt": Text(),
    "pin": Flag(),
    **SETTINGS,
}
_LORA: dict[str, Field] = {"id": _ID, "scale": Number(-100, 100)}
_TABLES = ("sampling", "lora")


class ProfileError(InvalidRequest):
    """What is wrong with a profile. The message names the file, without its folder, the line and the field."""

    def __init__(self, name: str, line: int | None, problem: str, param: str | None = None) -> None:
        super().__init__(f"{name}.toml{f', line {line}' if line else ''}: {problem}", param=param, line=line)


@dataclass(frozen=True, slots=True)
class Profile:
    """`model`: the id of the one that is loaded."""

    name: str
    model: str
    description: str = ""
    aliases: tuple[str, ...] = ()
    defaults: ModelDefaults = field(default_factory=ModelDefaults)


def default_profile_dir() -> Path:
    return Path(jupyter_config_dir()) / "uml" / "profiles"


class ProfileFolder:
    """The profiles in a folder; it need not exist."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tree = FolderTree(folder, _is_profile, lambda parts: False)

    def scan(self) -> dict[str, Profile | ProfileError]:
        """Every profile by its name, or what is wrong with it. Blocks; reads only files that have changed."""
        files = (file for folder in self._tree.scan() for file in folder.files)
        return {file.path.stem: _parsed(file) for file in files}

    def get(self, name: str) -> Profile:
        """
        Raises:
            ProfileError: there is none of this name, or something is wrong with it.
        """
        file = found_file(self._path(name))
        found = _parsed(file) if file else ProfileError(name, None, "there is no such profile.")
        if isinstance(found, ProfileError):
            raise found.copy()
        return found

    def save(self, profile: Profile, *, replace: bool = False) -> None:
        """Write a profile; with `replace` also where there is one, whose text is kept as NAME.toml.bak.

        Raises:
            ProfileError: it is there already, or would not be valid.
            OSError: it cannot be written.
        """
        path, text = self._path(profile.name), text_of(profile)
        parse(profile.name, text)
        if len(text.encode()) > _MAX_BYTES:
            raise ProfileError(profile.name, None, "it is too large for a profile.")
        old = path.read_bytes() if path.exists() else None
        if old is not None and not replace:
            raise ProfileError(profile.name, None, "there is a profile of this name already.", "name")
        if old is not None:
            with replacing(path.with_name(f"{path.name}.bak")) as file:
                file.write(old)
        with replacing(path) as file:
            file.write(text.encode())

    def delete(self, name: str) -> None:
        """
        Raises:
            ProfileError: there is none of this name.
        """
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            raise ProfileError(name, None, "there is no such profile.", "name") from None

    def _path(self, name: str) -> Path:
        return self._folder / f"{_checked_name(name)}.toml"


def parse(name: str, text: str) -> Profile:
    """
    Raises:
        ProfileError: naming the line and the field.
    """
    _checked_name(name)
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r"line (\d+)", str(error))
        problem = re.sub(r" \(at .*\)$", "", str(error))
        raise ProfileError(name, int(place[1]) if place else None, f"this is no TOML: {problem}.") from None
    return _Checked(name, text).profile(table)


def from_table(name: str, table: Mapping[str, Any]) -> Profile:
    """The profile whose file would hold this table.

    Raises:
        ProfileError: naming the field.
    """
    return _Checked(_checked_name(name), "").profile(table)


def text_of(profile: Profile) -> str:
    """The file of a profile; `parse` gives the same one back."""
    defaults = profile.defaults
    settings = {key: value for key, value in asdict(defaults.settings).items() if key not in _TABLES}
    rows = {
        "model": profile.model,
        "description": profile.description or None,
        "aliases": profile.aliases or None,
        **settings,
        "keep_alive": defaults.keep_alive,
        "pin": defaults.pin or None,
        "system_prompt": defaults.system_prompt,
    }
    lines = ["# Settings for a model, of jupyter_uml. Edit them as you like.", *_assignments(rows)]
    if defaults.sampling:
        lines += ["", "[sampling]", *_assignments(defaults.sampling)]
    for lora in defaults.settings.lora or ():
        lines += ["", "[[lora]]", *_assignments(asdict(lora))]
    return "\n".join(lines) + "\n"


class _Checked:
    """Turns a parsed file into a profile, and finds the line of what is wrong."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text

    def profile(self, table: Mapping[str, Any]) -> Profile:
        known = {*_PLAIN, *_TABLES, "keep_alive"}
        self._refuse_unknown(table, known, None)
        plain = {key: self._value(key, table[key], _PLAIN[key]) for key in table if key in _PLAIN}
        if "model" not in plain:
            raise ProfileError(self._name, None, 'it does not say which model it is for: model = "…".', "model")
        settings = {key: plain[key] for key in SETTINGS if key in plain}
        if "lora" in table:
            settings["lora"] = self._loras(table["lora"])
        return Profile(
            name=self._name,
            model=plain["model"],
            description=plain.get("description", ""),
            aliases=self._aliases(plain.get("aliases", ())),
            defaults=ModelDefaults(
                settings=LoadSettings(**settings),
                sampling=self._sampling(table.get("sampling", {})),
                system_prompt=plain.get("system_prompt"),
                keep_alive=self._keep_alive(table.get("keep_alive")),
                pin=plain.get("pin", False),
            ),
        )

    def _value(self, key: str, value: Any, kind: Field, table: str | None = None) -> Any:
        if not kind.accepts(value):
            raise self._error(key, f"{key} must be {kind}, not {_shown(value)}.", table)
        return frozen(value)

    def _refuse_unknown(self, table: Mapping[str, Any], known: set[str], name: str | None) -> None:
        for key in table:
            if key not in known:
                near = get_close_matches(key, known, 1)
                raise self._error(key, f"there is no setting {key}.{f' Is it {near[0]}?' if near else ''}", name)

    def _sampling(self, table: Any) -> dict[str, Any]:
        if not isinstance(table, dict):
            raise self._error("sampling", "sampling must be a table: [sampling].")
        self._refuse_unknown(table, set(SAMPLING), "sampling")
        return {key: self._value(key, value, SAMPLING[key], "sampling") for key, value in table.items()}

    def _loras(self, tables: Any) -> tuple[Lora, ...]:
        if not isinstance(tables, list) or len(tables) > MAX_LORA or not all(isinstance(row, dict) for row in tables):
            raise self._error("lora", f"lora must be at most {MAX_LORA} tables: [[lora]].", "lora")
        for table in tables:
            self._refuse_unknown(table, set(_LORA), "lora")
            for key, value in table.items():
                self._value(key, value, _LORA[key], "lora")
            if "id" not in table:
                raise self._error("lora", "an adapter has no id.", "lora")
        return tuple(Lora(**table) for table in tables)

    def _aliases(self, names: Sequence[str]) -> tuple[str, ...]:
        for name in names:
            if not re.fullmatch(r"[A-Za-z0-9._:/-]+", name):
                raise self._error("aliases", f"{name!r} cannot be an alias: letters, digits and . _ : / - can be used.")
        return tuple(names)

    def _keep_alive(self, value: Any) -> float | None:
        if value is None:
            return None
        try:
            return keep_alive_seconds(value)
        except ValueError as error:
            raise self._error("keep_alive", f"keep_alive {error}; not {_shown(value)}.") from None

    def _error(self, key: str, problem: str, table: str | None = None) -> ProfileError:
        return ProfileError(self._name, _line(self._text, key, table), problem, key)


def _line(text: str, key: str, table: str | None) -> int | None:
    """Where a key is set, counted from 1."""
    now, heading = None, None
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"\s*\[\[?\s*([^\]]*?)\s*\]", line):
            now = found[1]
            heading = number if now in (table, key) else heading
        elif now == table and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[.=]""", line):
            return number
    return heading


def _assignments(rows: Mapping[str, Any]) -> Iterator[str]:
    return (f"{key} = {_literal(value)}" for key, value in rows.items() if value is not None)


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and "\n" in value:
        return '"""\n' + "\n".join(_escaped(line) for line in value.split("\n")) + '"""'
    if isinstance(value, str):
        return f'"{_escaped(value)}"'
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_literal, value))}]"
    return repr(value)


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("\x7f", "\\u007f")


def _is_profile(file_name: str) -> bool:
    return file_name.endswith(".toml") and file_name.isprintable()


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ProfileError(
            name[:100], None, "a profile's name may have letters, digits, dots, dashes and underscores.", "name"
        )
    return name


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) < 60 else f"{text[:60]}…"


@lru_cache(maxsize=1024)
def _parsed(file: FoundFile) -> Profile | ProfileError:
    name = file.path.stem
    try:
        if file.size > _MAX_BYTES:
            return ProfileError(name, None, "it is too large for a profile.")
        return parse(name, file.path.read_text(encoding="utf-8-sig"))
    except ProfileError as error:
        return error.with_traceback(None)
    except (OSError, UnicodeDecodeError):
        return ProfileError(name, None, "it cannot be read as text in UTF-8.")
