"""Named settings for models: files that people edit, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jupyter_uml.loader.catalog.catalog import Catalog
from jupyter_uml.loader.catalog.model_files import ModelDefaults
from jupyter_uml.loader.catalog.ollama_store import OllamaStore
from jupyter_uml.loader.catalog.profiles import Profile, ProfileError, ProfileFolder, parse, text_of
from jupyter_uml.loader.catalog.setting_fields import SAMPLING, SETTINGS
from jupyter_uml.types import LoadSettings, Lora, SamplingParams
from tests.loader.catalog.store_trees import gguf, ollama, put

WRITER = '''\
# My own words.
model = "demo"
description = "For letters"
aliases = ["letters", "team/letters:2"]
n_ctx = 512
n_threads = 1
kv_type = "q8_0"
keep_alive = "30m"
pin = true
system_prompt = """
You write letters.
Short ones."""

[sampling]
temperature = 0.2
stop = ["\\n\\n"]

[[lora]]
id = "style"
scale = 0.5
'''


def test_a_file_of_a_person_is_read() -> None:
    assert parse("writer", WRITER) == Profile(
        "writer",
        "demo",
        "For letters",
        ("letters", "team/letters:2"),
        ModelDefaults(
            LoadSettings(n_ctx=512, n_threads=1, kv_type="q8_0", lora=(Lora("style", 0.5),)),
            {"temperature": 0.2, "stop": ("\n\n",)},
            "You write letters.\nShort ones.",
            1800.0,
            True,
        ),
    )


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ('model = "demo"\nn_ctx = "8k"', 2, "n_ctx", 'whole number from 1 to 2147483647, not "8k"'),
        ('model = "demo"\n\n[sampling]\ntop_k = 1\ntemperature = 3.5\n', 5, "temperature", "0 to 2, not 3.5"),
        ('model = "demo"\n[sampling]\ntemperature = nan\n', 3, "temperature", "NaN"),
        ('model = "demo"\nn_ctxx = 5', 2, "n_ctxx", "Is it n_ctx?"),
        ('model = "demo"\n[sampling]\ntemprature = 1', 3, "temprature", "Is it temperature?"),
        ('model = "demo"\nkv_type = "q5"', 2, "kv_type", "'q8_0'"),
        ('model = "demo"\npin = 1', 2, "pin", "true or false"),
        ('model = "demo"\nn_threads = true', 2, "n_threads", "whole number"),
        ('model = "demo"\nkeep_alive = "soon"', 2, "keep_alive", "30m"),
        ('model = "demo"\naliases = ["../x y"]', 2, "aliases", "alias"),
        ('model = "demo"\nsampling = 3', 2, "sampling", "table"),
        ('model = "demo"\n[[lora]]\nid = "x"\nscale = "much"', 4, "scale", "number"),
        ('model = "demo"\n[[lora]]\nscale = 1', 2, "lora", "no id"),
        ('model = "demo"\n[[lora]]\nid = "x"\n[sampling]\nid = 3', 5, "id", "no setting"),
        ("n_ctx = 5", None, "model", "which model"),
        ('model = ""', 1, "model", "text"),
        ('model = "demo"\nn_ctx = \n', 2, None, "TOML"),
        ('model = "demo"\nmodel = "x"\n', 2, None, "TOML"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_field(text: str, line: int | None, field: str | None, words: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse("writer", text)
    error = caught.value
    assert error.message.startswith(f"writer.toml, line {line}: " if line else "writer.toml: ")
    assert words in error.message
    assert error.param == field


def test_every_setting_of_a_model_and_of_sampling_can_be_made() -> None:
    assert set(SETTINGS) | {"lora"} == set(LoadSettings.__slots__)
    assert set(SamplingParams.__slots__) - set(SAMPLING) == {"logit_bias", "logprobs", "grammar"}


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@given(
    TEXT,
    TEXT,
    st.none() | st.integers(1, 1 << 31 - 1),
    st.dictionaries(st.sampled_from(["temperature", "min_p", "xtc_threshold"]), st.floats(0, 1)),
    st.lists(TEXT, max_size=4),
    st.none() | st.floats(0, 1e6) | st.just(-1.0),
)
@example('a\x7fb\r\n"""\\', "m", None, {}, [], None)
def test_what_is_written_is_read_back(
    prompt: str, model: str, n_ctx: int | None, sampling: dict[str, float], stop: list[str], keep_alive: float | None
) -> None:
    settings = LoadSettings(n_ctx=n_ctx, lora=(Lora(model, 0.25),))
    defaults = ModelDefaults(settings, {**sampling, "stop": tuple(stop)}, prompt, keep_alive, bool(stop))
    profile = Profile("p", model, prompt[:20], ("a:b/c",), defaults)
    assert parse("p", text_of(profile)) == profile


def test_saving_never_loses_what_a_person_wrote(tmp_path: Path) -> None:
    folder = ProfileFolder(tmp_path / "profiles")
    put(tmp_path / "profiles" / "writer.toml", WRITER)
    new = Profile("writer", "demo", defaults=ModelDefaults(system_prompt="New."))
    with pytest.raises(ProfileError, match="already"):
        folder.save(new)
    assert folder.get("writer").defaults.pin
    folder.save(new, replace=True)
    assert folder.get("writer") == new
    assert (tmp_path / "profiles" / "writer.toml.bak").read_text() == WRITER
    assert list(folder.scan()) == ["writer"]
    folder.delete("writer")
    assert not folder.scan()
    with pytest.raises(ProfileError, match="no such"):
        folder.delete("writer")


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "x" * 101, "a b"])
def test_a_name_cannot_lead_elsewhere(tmp_path: Path, name: str) -> None:
    folder = ProfileFolder(tmp_path)
    for act in (folder.get, folder.delete, lambda name: folder.save(Profile(name, "demo"))):
        with pytest.raises(ProfileError):
            act(name)


# --- in the catalog ---


def catalog(folder: Path) -> Catalog:
    return Catalog([folder / "models"], profiles=ProfileFolder(folder / "profiles"))


def test_a_profile_is_a_model_of_its_own_name(tmp_path: Path) -> None:
    put(tmp_path / "profiles" / "writer.toml", WRITER)
    entries = catalog(tmp_path)
    entry, demo = entries.get("writer"), entries.get("demo")
    assert (entry.path, entry.source, entry.base, entry.loadable) == (demo.path, "profile", "demo", True)
    assert entry.defaults is not None
    assert entry.defaults.settings.n_ctx == 512
    assert demo.defaults is None
    assert entries.get("team/letters:2").id == "writer"


def test_a_profile_with_its_models_name_sets_the_models_defaults(tmp_path: Path) -> None:
    put(tmp_path / "profiles" / "demo.toml", 'model = "demo"\nn_ctx = 256')
    entries = catalog(tmp_path).entries()
    assert list(entries) == ["demo"]
    assert entries["demo"].defaults == ModelDefaults(LoadSettings(n_ctx=256))


def test_a_profile_that_cannot_be_used_is_listed_with_the_reason(tmp_path: Path) -> None:
    put(tmp_path / "models" / "taken.gguf")
    put(tmp_path / "profiles" / "broken.toml", "model = 3")
    put(tmp_path / "profiles" / "lost.toml", 'model = "nobody"')
    put(tmp_path / "profiles" / "latin.toml", b"model = '\xff'")
    put(tmp_path / "profiles" / "taken.toml", 'model = "demo"')
    put(tmp_path / "profiles" / "deep" / "unseen.toml", 'model = "demo"')
    entries = catalog(tmp_path).entries()
    assert set(entries) == {"demo", "taken", "broken", "lost", "latin", "profile/taken"}
    assert "broken.toml, line 1" in (entries["broken"].reason or "")
    assert "nobody" in (entries["lost"].reason or "")
    assert "UTF-8" in (entries["latin"].reason or "")
    assert entries["profile/taken"].base == "demo"


def test_a_profile_stands_above_what_its_ollama_model_asks_for(tmp_path: Path) -> None:
    layers = [("model", gguf()), ("system", b"Arr!"), ("params", b'{"temperature": 1, "top_k": 5, "num_ctx": 4096}')]
    ollama(tmp_path / "ollama", "library/pirate:latest", layers)
    put(tmp_path / "profiles" / "calm.toml", 'model = "pirate"\nn_threads = 2\n[sampling]\ntemperature = 0.5')
    folder = ProfileFolder(tmp_path / "profiles")
    entry = Catalog(stores=[OllamaStore(tmp_path / "ollama")], profiles=folder).get("calm")
    assert entry.defaults == ModelDefaults(
        LoadSettings(n_ctx=4096, n_threads=2), {"temperature": 0.5, "top_k": 5}, "Arr!"
    )


def test_an_edit_is_noticed(tmp_path: Path) -> None:
    path = put(tmp_path / "profiles" / "p.toml", 'model = "demo"\nn_ctx = 64')
    folder = ProfileFolder(tmp_path / "profiles")
    assert folder.get("p").defaults.settings.n_ctx == 64
    put(path, 'model = "demo"\nn_ctx = 4096')
    assert folder.get("p").defaults.settings.n_ctx == 4096


def test_what_windows_editors_put_before_a_text_disturbs_nothing(tmp_path: Path) -> None:
    put(tmp_path / "a.toml", '\ufeffmodel = "m"\r\nn_ctx = 1024\r\n')
    assert ProfileFolder(tmp_path).get("a").defaults.settings.n_ctx == 1024


def test_a_profile_of_a_profile_is_told_what_to_name(tmp_path: Path) -> None:
    put(tmp_path / "m.gguf", gguf())
    put(tmp_path / "p" / "one.toml", 'model = "m"')
    put(tmp_path / "p" / "two.toml", 'model = "one"')
    entries = Catalog([tmp_path], demo=False, profiles=ProfileFolder(tmp_path / "p")).entries()
    assert entries["two"].reason == "Its model “one” is a profile: name the model that it is for."


def test_a_file_that_is_called_wrongly_has_an_id_all_the_same(tmp_path: Path) -> None:
    """Ids are shown in pages and written into addresses: no character of a file's name gets there unseen."""
    put(tmp_path / "p" / "<b>my profile.toml", 'model = "demo"')
    put(tmp_path / "p" / "b-my-profile.toml", 'model = "demo"')
    entries = Catalog(profiles=ProfileFolder(tmp_path / "p")).entries()
    assert entries["b-my-profile"].loadable
    assert "<b>my profile.toml: a profile's name" in (entries["profile/b-my-profile"].reason or "")
