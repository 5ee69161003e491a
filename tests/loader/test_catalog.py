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


def test_projectors_are_no_models(tmp_path: Path) -> None:
    make(tmp_path, "mmproj-model-f16.gguf")
    assert not Catalog([tmp_path], demo=False).entries()


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
