"""A row of the catalog, and how rows are made of what the stores hold. Pure: nothing is read here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jupyter_uml.errors import UmlError
from jupyter_uml.loader.catalog.facts_cache import FactsCache, FoundFile
from jupyter_uml.loader.catalog.file_facts import FileFacts
from jupyter_uml.loader.catalog.gguf_file import BrokenFile
from jupyter_uml.loader.catalog.model_files import ModelDefaults, ModelFiles, Source
from jupyter_uml.loader.catalog.names import Names, joined
from jupyter_uml.loader.catalog.profiles import Profile


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A model that could be loaded, or whose `reason` says why it cannot.

    `path` is the first file of a split model, `size_bytes` the sum of all. `projector`: the file by which it sees
    images; its bytes are not among the model's. `facts` is None until the file has been read.
    """

    id: str
    path: Path
    size_bytes: int
    source: Source
    projector: Path | None = None
    projector_bytes: int = 0
    files: tuple[FoundFile, ...] = ()
    doubles: tuple[FoundFile, ...] = ()  # the same content in other places
    format: str = "gguf"  # or which one keeps it from being loaded: safetensors, onnx, …
    facts: FileFacts | None = None
    aliases: tuple[str, ...] = ()  # other names by which it can be had
    also_in: tuple[Source, ...] = ()  # further stores that hold the same file
    adapters: tuple[Path, ...] = ()  # LoRA adapters that belong to it
    defaults: ModelDefaults | None = None
    sha256: str | None = None  # of a model of one file, where it is known
    base: str | None = None  # the id of the model that a profile is for
    reason: str | None = None

    @property
    def loadable(self) -> bool:
        return self.reason is None


def entries_of(models: Sequence[ModelFiles], cache: FactsCache, names: Names) -> dict[str, CatalogEntry]:
    """An entry for each model, in their order, those first that can be loaded; the same file in two places is one."""
    groups = [_known_first(group, names) for group in _without_duplicates(models, cache)]
    ids = names.given([group[0] for group in groups], reserved=set())
    entries = [_entry(model_id, group, cache, names) for model_id, group in zip(ids, groups, strict=True)]
    entries.sort(key=lambda entry: not entry.loadable)
    return {entry.id: entry for entry in _with_unique_aliases(entries)}


def with_profiles(
    entries: Mapping[str, CatalogEntry], profiles: Mapping[str, Profile | UmlError]
) -> dict[str, CatalogEntry]:
    """The entries and one for each profile. A profile with the name of its own model sets that model's defaults."""
    if not profiles:
        return dict(entries)
    known, rows = dict(entries), dict(entries)
    for name, profile in profiles.items():
        base = None if isinstance(profile, UmlError) else resolve(known, profile.model)
        row_id = name if name not in known or (base and base.id == name) else f"profile/{name}"
        if isinstance(profile, UmlError):
            row_id = row_id if joined(row_id) == row_id else f"profile/{joined(name)}"  # its name may be what is wrong
            rows[row_id] = CatalogEntry(row_id, Path(), 0, "profile", reason=profile.message)
        elif base is None:
            wrong = "a profile: name the model that it is for" if profile.model in profiles else "not here"
            reason = f"Its model “{profile.model}” is {wrong}."
            rows[row_id] = CatalogEntry(row_id, Path(), 0, "profile", reason=reason, aliases=profile.aliases)
        else:
            rows[row_id] = _profiled(row_id, base, profile)
    return {row.id: row for row in _with_unique_aliases(list(rows.values()))}


def resolve(entries: Mapping[str, CatalogEntry], name: str) -> CatalogEntry | None:
    """The entry of this id or alias, also where only capitals differ, if it is the only one."""
    if name in entries:
        return entries[name]
    meant = [entry for entry in entries.values() if name in entry.aliases]
    if not meant:
        folded = name.casefold()
        meant = [entry for entry in entries.values() if folded in map(str.casefold, (entry.id, *entry.aliases))]
    return meant[0] if len(meant) == 1 else None


def _profiled(row_id: str, base: CatalogEntry, profile: Profile) -> CatalogEntry:
    defaults = _merged(base.defaults, profile.defaults)
    if row_id == base.id:
        return replace(base, defaults=defaults, aliases=(*base.aliases, *profile.aliases))
    return replace(
        base, id=row_id, source="profile", aliases=profile.aliases, also_in=(), defaults=defaults, base=base.id
    )


def _merged(below: ModelDefaults | None, above: ModelDefaults) -> ModelDefaults:
    if below is None:
        return above
    asked = {name: getattr(above.settings, name) for name in above.settings.asked()}
    return replace(
        above,
        settings=replace(below.settings, **asked),
        sampling={**below.sampling, **above.sampling},
        system_prompt=above.system_prompt if above.system_prompt is not None else below.system_prompt,
    )


def _without_duplicates(models: Iterable[ModelFiles], cache: FactsCache) -> list[list[ModelFiles]]:
    """The models, each with its doubles behind it."""
    groups = list[list[ModelFiles]]()
    by_content = defaultdict[str, list[list[ModelFiles]]](list)
    for model in models:
        keys = _contents(model, cache)
        same = (group for key in keys for group in by_content[key] if group[0].variant == model.variant)
        group = next(same, None)
        if group is None:
            group = []
            groups.append(group)
        group.append(model)
        for key in keys:
            by_content[key].append(group)
    return groups


def _known_first(group: Sequence[ModelFiles], names: Names) -> list[ModelFiles]:
    """A new link to a file that is known does not give it another id, under which it would be loaded once more."""
    return sorted(group, key=lambda model: names.of(model) is None)


def _contents(model: ModelFiles, cache: FactsCache) -> list[str]:
    """What says that two models are the same."""
    if not model.files:
        return []
    files = " ".join(f"{file.identity.device}:{file.identity.inode}" for file in model.files)
    return [files, *filter(None, [_sha256(model, cache)])]


def _names_of(double: ModelFiles, names: Names) -> Iterator[str]:
    """By which it could be had, also before it was known to be a double."""
    yield from filter(None, (names.of(double), *double.names[:1], *double.aliases))


def _entry(model_id: str, group: Sequence[ModelFiles], cache: FactsCache, given: Names) -> CatalogEntry:
    model, *doubles = group
    facts, reason = _facts(model, cache)
    projectors = [file for each in group for file in each.projectors]
    projector = _projector(projectors, facts, cache) if facts is None or facts.kind == "model" else None
    names = dict.fromkeys([*model.aliases, *(name for each in doubles for name in _names_of(each, given))])
    return CatalogEntry(
        id=model_id,
        path=model.path,
        size_bytes=model.size_bytes,
        source=model.source,
        projector=projector.path if projector else None,
        projector_bytes=projector.size if projector else 0,
        files=model.files,
        doubles=tuple(file for each in doubles for file in each.files),
        format=model.format,
        facts=facts,
        aliases=tuple(name for name in names if name != model_id),
        also_in=tuple(dict.fromkeys(each.source for each in doubles if each.source != model.source)),
        adapters=tuple(file.path for file in model.adapters),
        defaults=next((each.defaults for each in group if each.defaults), None),
        sha256=next(filter(None, (_sha256(each, cache) for each in group)), None),
        reason=model.reason or _unspeakable(model.path) or reason,
    )


def _unspeakable(path: Path) -> str | None:
    """Why a file cannot be named to the process that would load it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return "The name of its file, or of a folder above it, is not in UTF-8: rename it."
    return None


def _facts(model: ModelFiles, cache: FactsCache) -> tuple[FileFacts | None, str | None]:
    """The facts of the model, of all its parts together, and why it cannot be loaded."""
    if model.format != "gguf":
        return None, model.reason
    parts = [cache.facts(file.identity) for file in model.files]
    for number, part in enumerate(parts, 1):
        if isinstance(part, BrokenFile):
            return None, part.reason if len(parts) == 1 else f"Part {number} of {len(parts)}: {part.reason}"
    read = [part for part in parts if isinstance(part, FileFacts)]
    if not read or len(read) < len(parts):
        return None, None
    whole = read[0] if len(read) == 1 else replace(read[0], parameters=sum(part.parameters for part in read))
    return whole, whole.reason


def _projector(files: Iterable[FoundFile], model: FileFacts | None, cache: FactsCache) -> FoundFile | None:
    """The first one that is whole, rather one that says that it is made for the width of this model."""
    whole = [file for file in files if not isinstance(cache.facts(file.identity), BrokenFile)]

    def fits(file: FoundFile) -> bool:
        facts = cache.facts(file.identity)
        return isinstance(facts, FileFacts) and model is not None and facts.n_embd == model.n_embd

    return next(filter(fits, whole), whole[0] if whole else None)


def _sha256(model: ModelFiles, cache: FactsCache) -> str | None:
    if len(model.files) != 1:
        return None
    return model.sha256 or cache.sha256(model.files[0].identity)


def _with_unique_aliases(entries: Sequence[CatalogEntry]) -> list[CatalogEntry]:
    """Without the aliases that two have, or that are another one's id."""
    ids = {entry.id for entry in entries}
    owners = defaultdict[str, set[str]](set)
    for entry in entries:
        for alias in entry.aliases:
            owners[alias].add(entry.id)

    def checked(entry: CatalogEntry) -> CatalogEntry:
        kept = tuple(alias for alias in entry.aliases if alias not in ids and len(owners[alias]) == 1)
        return entry if kept == entry.aliases else replace(entry, aliases=kept)

    return [checked(entry) for entry in entries]
