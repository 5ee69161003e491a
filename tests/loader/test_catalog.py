"""What is found, and what it is called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jupyter_uml.errors import ModelNotFound
from jupyter_uml.loader.catalog import Catalog


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 10)


def test_the_demo_model_is_there_without_any_folder() -> None:
    assert list(Catalog().entries()) == ["demo"]
    assert not Catalog(demo=False).entries()


def test_files_of_sub_folders_are_found_by_their_name(tmp_path: Path) -> None:
    make(tmp_path, "a.gguf", "deep/er/Llama-3.2 1B (Q4_K_M).gguf", "readme.txt", "b.safetensors")
    entries = Catalog([tmp_path], demo=False).entries()
    assert list(entries) == ["a", "Llama-3.2-1B-Q4_K_M"]
    assert all(re.fullmatch(r"[A-Za-z0-9._:/-]+", model_id) for model_id in entries)


def test_a_split_model_is_one_model_of_the_whole_size(tmp_path: Path) -> None:
    make(tmp_path, "big-00001-of-00003.gguf", "big-00002-of-00003.gguf", "big-00003-of-00003.gguf")
    (entry,) = Catalog([tmp_path], demo=False).entries().values()
    assert (entry.id, entry.size_bytes, entry.path.name) == ("big", 30, "big-00001-of-00003.gguf")


@pytest.mark.parametrize("name", ["mmproj-model-f16.gguf", "llava-mmproj-Q8_0.gguf", "MMPROJ.gguf"])
def test_projectors_are_no_models(tmp_path: Path, name: str) -> None:
    make(tmp_path, name)
    assert not Catalog([tmp_path], demo=False).entries()


def projectors(folder: Path) -> dict[str, str | None]:
    entries = Catalog([folder], demo=False).entries()
    return {model_id: entry.projector and entry.projector.name for model_id, entry in entries.items()}


def test_a_projector_belongs_to_the_models_beside_it(tmp_path: Path) -> None:
    make(tmp_path, "a/llava.gguf", "a/mmproj-model-f16.gguf", "b/llama.gguf")
    assert projectors(tmp_path) == {"llava": "mmproj-model-f16.gguf", "llama": None}
    entry = Catalog([tmp_path], demo=False).get("llava")
    assert (entry.size_bytes, entry.projector_bytes) == (10, 10)


def test_of_several_projectors_each_model_has_the_one_with_its_name(tmp_path: Path) -> None:
    make(
        tmp_path,
        "gemma-3-4b-it-Q4_K_M.gguf",
        "gemma-3-12b-it-Q8_0.gguf",
        "mmproj-gemma-3-4b-it-BF16.gguf",
        "gemma-3-12b-it-mmproj-Q8_0.gguf",
    )
    assert projectors(tmp_path) == {
        "gemma-3-4b-it-Q4_K_M": "mmproj-gemma-3-4b-it-BF16.gguf",
        "gemma-3-12b-it-Q8_0": "gemma-3-12b-it-mmproj-Q8_0.gguf",
    }


def test_a_model_has_nothing_of_a_projector_that_names_another(tmp_path: Path) -> None:
    make(tmp_path, "llama-3.gguf", "mmproj-gemma-3.gguf")
    assert projectors(tmp_path) == {"llama-3": None}


def test_the_same_name_twice_gives_two_ids(tmp_path: Path) -> None:
    make(tmp_path, "x/model.gguf", "y/model.gguf", "demo.gguf")
    assert list(Catalog([tmp_path]).entries()) == ["demo", "demo-2", "model", "model-2"]


def test_a_missing_folder_and_a_dangling_link_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "a.gguf")
    (tmp_path / "gone.gguf").symlink_to(tmp_path / "nowhere")
    assert list(Catalog([tmp_path, tmp_path / "none"], demo=False).entries()) == ["a"]


@pytest.mark.parametrize("name", ["nope", "../demo", "/etc/passwd", ""])
def test_only_listed_ids_can_be_had(name: str) -> None:
    with pytest.raises(ModelNotFound, match="demo"):
        Catalog().get(name)
