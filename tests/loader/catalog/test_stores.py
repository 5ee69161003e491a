"""Models of other programs: Hugging Face's cache, LM Studio's and Ollama's stores, files that cannot be loaded."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from jupyter_uml.loader.catalog.catalog import Catalog, CatalogEntry
from jupyter_uml.loader.catalog.ollama_store import OllamaStore
from jupyter_uml.loader.catalog.stores import FolderStore, HuggingFaceStore, Store, user_stores
from tests.loader.catalog.store_trees import gguf, hugging_face, ollama, put


def listed(*stores: Store) -> dict[str, CatalogEntry]:
    entries = Catalog(demo=False, stores=stores).entries()
    assert all(re.fullmatch(r"[A-Za-z0-9._:/-]+", name) for row in entries.values() for name in (row.id, *row.aliases))
    return entries


# --- Hugging Face ---


def test_files_of_hugging_faces_cache_are_named_by_themselves_and_by_their_repository(tmp_path: Path) -> None:
    content = gguf()
    snapshot = hugging_face(tmp_path, "bartowski/Llama-3.2-1B-GGUF", {"Llama-3.2-1B-Q4_K_M.gguf": content})
    (entry,) = listed(HuggingFaceStore(tmp_path)).values()
    assert (entry.id, entry.source) == ("Llama-3.2-1B-Q4_K_M", "huggingface")
    assert entry.aliases == ("bartowski/Llama-3.2-1B-GGUF:Q4_K_M", "bartowski/Llama-3.2-1B-GGUF")
    assert entry.path == snapshot / "Llama-3.2-1B-Q4_K_M.gguf"
    assert entry.sha256 == hashlib.sha256(content).hexdigest()
    assert entry.size_bytes == len(content)


def test_two_quantisations_of_a_repository_share_no_alias(tmp_path: Path) -> None:
    hugging_face(tmp_path, "me/m-GGUF", {"m-Q4_0.gguf": gguf("4"), "m-Q8_0.gguf": gguf("8")})
    entries = listed(HuggingFaceStore(tmp_path))
    assert {row.id: row.aliases for row in entries.values()} == {
        "m-Q4_0": ("me/m-GGUF:Q4_0",),
        "m-Q8_0": ("me/m-GGUF:Q8_0",),
    }


def test_a_file_of_any_name_is_called_after_its_repository(tmp_path: Path) -> None:
    hugging_face(tmp_path, "me/tiny", {"ggml-model-q4_0.gguf": gguf("a"), "model.gguf": gguf("b")})
    assert sorted(listed(HuggingFaceStore(tmp_path))) == ["tiny", "tiny-Q4_0"]


def test_the_same_name_from_two_owners_is_told_apart_by_them(tmp_path: Path) -> None:
    for owner in ("ann", "bob"):
        hugging_face(tmp_path, f"{owner}/m-GGUF", {"m-Q4_0.gguf": gguf(owner)})
    assert list(listed(HuggingFaceStore(tmp_path))) == ["m-Q4_0", "bob/m-Q4_0"]


def test_an_old_revision_is_listed_only_where_its_file_is_another(tmp_path: Path) -> None:
    old = {"m-Q4_0.gguf": gguf("old"), "n-Q4_0.gguf": gguf("same")}
    hugging_face(tmp_path, "me/m", old, revision="1" * 40, main=False)
    hugging_face(tmp_path, "me/m", {**old, "m-Q4_0.gguf": gguf("new")}, revision="2" * 40)
    entries = listed(HuggingFaceStore(tmp_path))
    assert sorted(entries) == ["m-Q4_0", "m-Q4_0-1111111", "n-Q4_0"]
    assert "2" * 40 in str(entries["m-Q4_0"].path)


def test_a_model_keeps_its_id_when_another_of_its_repository_comes_at_a_newer_revision(tmp_path: Path) -> None:
    """Tools move `main` on with each download, and leave older files where they are."""
    hugging_face(tmp_path, "ann/R-GGUF", {"R-Q4_K_M.gguf": gguf("four")})
    assert list(listed(HuggingFaceStore(tmp_path))) == ["R-Q4_K_M"]
    hugging_face(tmp_path, "ann/R-GGUF", {"R-Q8_0.gguf": gguf("eight")}, revision="b" * 40)
    entries = listed(HuggingFaceStore(tmp_path))
    assert set(entries) == {"R-Q4_K_M", "R-Q8_0"}
    assert entries["R-Q4_K_M"].aliases == ("ann/R-GGUF:Q4_K_M",)


def test_split_files_in_a_folder_have_the_projector_above_them(tmp_path: Path) -> None:
    parts = {f"Q4_K_M/m-Q4_K_M-0000{n}-of-00002.gguf": gguf(str(n)) for n in (1, 2)}
    hugging_face(tmp_path, "me/m", {**parts, "mmproj-F16.gguf": gguf("eyes")})
    (entry,) = listed(HuggingFaceStore(tmp_path)).values()
    assert (entry.id, len(entry.files), entry.path.name) == ("m-Q4_K_M", 2, "m-Q4_K_M-00001-of-00002.gguf")
    assert entry.projector is not None
    assert entry.projector.name == "mmproj-F16.gguf"
    assert entry.sha256 is None


def test_data_sets_and_half_downloads_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "datasets--me--d" / "snapshots" / "r" / "a.gguf")
    put(tmp_path / "models--me--m" / "blobs" / "b.incomplete.gguf")
    (tmp_path / "models--me--m" / "snapshots" / "r").mkdir(parents=True)
    (tmp_path / "models--me--m" / "snapshots" / "r" / "m.gguf").symlink_to("../../blobs/none")
    assert not listed(HuggingFaceStore(tmp_path))


# --- LM Studio ---


def test_lm_studios_models_are_named_as_its_repositories(tmp_path: Path) -> None:
    put(tmp_path / "lmstudio-community" / "Qwen3-4B-GGUF" / "Qwen3-4B-Q4_K_M.gguf", gguf())
    (entry,) = listed(FolderStore(tmp_path, "lmstudio")).values()
    assert (entry.id, entry.source) == ("Qwen3-4B-Q4_K_M", "lmstudio")
    assert "lmstudio-community/Qwen3-4B-GGUF:Q4_K_M" in entry.aliases


# --- Ollama ---


def test_an_ollama_model_is_its_blob_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    content = gguf()
    layers = [
        ("model", content),
        ("projector", b"eyes"),
        ("adapter", b"style"),
        ("template", b"{{ .Prompt }}"),
        ("system", b"You are a pirate.\n"),
        (
            "params",
            json.dumps({"num_ctx": 8192, "temperature": 0.5, "stop": ["<x>"], "top_p": 99, "low_vram": 1}).encode(),
        ),
        ("license", b"MIT"),
    ]
    ollama(tmp_path, "library/pirate:7b-q4_0", layers)
    (entry,) = listed(OllamaStore(tmp_path)).values()
    digest = hashlib.sha256(content).hexdigest()
    assert (entry.id, entry.source, entry.sha256, entry.reason) == ("pirate:7b-q4_0", "ollama", digest, None)
    assert entry.path == tmp_path / "blobs" / f"sha256-{digest}"
    assert entry.projector is not None
    assert entry.projector.read_bytes() == b"eyes"
    assert [path.read_bytes() for path in entry.adapters] == [b"style"]
    assert entry.defaults is not None
    assert entry.defaults.system_prompt == "You are a pirate."
    assert entry.defaults.settings.n_ctx == 8192
    assert entry.defaults.sampling == {"temperature": 0.5, "stop": ("<x>",)}  # top_p is out of bounds


def test_names_in_ollama(tmp_path: Path) -> None:
    ollama(tmp_path, "library/llama3.2:latest", [("model", gguf("a"))])
    ollama(tmp_path, "library/llama3.2:1b", [("model", gguf("b"))])
    ollama(tmp_path, "ann/m:latest", [("model", gguf("c"))])
    ollama(tmp_path, "bartowski/m-GGUF:Q4_K_M", [("model", gguf("d"))], host="hf.co")
    entries = listed(OllamaStore(tmp_path))
    assert set(entries) == {"llama3.2:latest", "llama3.2:1b", "ann/m:latest", "hf.co/bartowski/m-GGUF:Q4_K_M"}
    assert entries["llama3.2:latest"].aliases == ("llama3.2",)


def newer_ollama(root: Path, name: str, manifest: dict[str, Any]) -> Path:
    """What Ollama 0.40 leaves: a link to a blob. Gives the link."""
    content = json.dumps(manifest).encode()
    blob = put(root / "blobs" / f"sha256-{hashlib.sha256(content).hexdigest()}", content)
    model, _, tag = name.partition(":")
    link = root / "manifests-v2" / "ollama.com" / "library" / model / tag
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    return link


def test_a_newer_ollamas_models_are_those_of_its_engine_that_is_llama_cpp(tmp_path: Path) -> None:
    for_llama, for_mlx = gguf("for llama.cpp"), b"safetensors"
    by_content = json.loads(ollama(tmp_path, "library/old:latest", [("model", for_llama)]).read_text())
    tensors = json.loads(ollama(tmp_path, "library/apple:latest", [("tensor", for_mlx)]).read_text())
    child = newer_ollama(tmp_path, "child:latest", by_content).resolve()
    reference = {"digest": child.name.replace("-", ":", 1), "runner": "llamacpp", "format": "gguf"}
    rows = [{**tensors, "runner": "mlx"}, reference]
    kind = "application/vnd.ollama.manifest.list.v2+json"
    newer_ollama(tmp_path, "new:8b", {"schemaVersion": 2, "mediaType": kind, "manifests": rows})
    newer_ollama(tmp_path, "mlx:8b", {"schemaVersion": 2, "mediaType": kind, "manifests": rows[:1]})
    newer_ollama(tmp_path, "odd:8b", {"mediaType": kind, "manifests": [7, {"runner": None, "digest": "sha256:no"}]})
    entries = listed(OllamaStore(tmp_path))
    (loadable,) = (entry for entry in entries.values() if entry.loadable)
    assert {loadable.id, *loadable.aliases} == {"child:latest", "child", "old:latest", "old", "new:8b"}
    assert loadable.path.read_bytes() == for_llama
    assert "safetensors" in (entries["mlx:8b"].reason or "")


def test_of_two_manifests_of_one_name_ollamas_newer_one_counts(tmp_path: Path) -> None:
    ollama(tmp_path, "library/m:latest", [("model", gguf("before"))])
    now = json.loads(ollama(tmp_path, "library/x:latest", [("model", gguf("now"))]).read_text())
    newer_ollama(tmp_path, "m:latest", now)
    assert listed(OllamaStore(tmp_path))["m:latest"].path.read_bytes() == gguf("now")


def test_two_tags_of_one_model_are_one_and_another_system_prompt_makes_two(tmp_path: Path) -> None:
    content = gguf()
    for tag in ("latest", "3b"):
        ollama(tmp_path, f"library/m:{tag}", [("model", content)])
    ollama(tmp_path, "library/pirate:latest", [("model", content), ("system", b"Arr!")])
    ollama(tmp_path, "library/cold:latest", [("model", content), ("params", b'{"temperature": 0}')])
    ollama(tmp_path, "library/ended:latest", [("model", content), ("params", b'{"stop": ["<end>"]}')])
    entries = {row.id: row for row in listed(OllamaStore(tmp_path)).values()}
    assert set(entries) == {"cold:latest", "ended:latest", "pirate:latest"}
    assert entries["ended:latest"].aliases == ("ended", "m:3b", "m:latest", "m")
    assert entries["cold:latest"].defaults is not None
    assert entries["cold:latest"].defaults.sampling == {"temperature": 0}


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([("tensor", b"t")], "safetensors"),
        ([("license", b"MIT")], "servers"),
    ],
)
def test_what_ollama_cannot_give_is_listed_with_the_reason(
    tmp_path: Path, layers: list[tuple[str, bytes]], reason: str
) -> None:
    ollama(tmp_path, "library/m:latest", layers)
    entry = listed(OllamaStore(tmp_path))["m:latest"]
    assert not entry.loadable
    assert reason in (entry.reason or "")


def test_a_missing_blob_and_a_damaged_manifest(tmp_path: Path) -> None:
    manifest = ollama(tmp_path, "library/m:latest", [("model", gguf()), ("projector", b"eyes")])
    (tmp_path / "blobs" / f"sha256-{hashlib.sha256(b'eyes').hexdigest()}").unlink()
    for n, content in enumerate(("", "[]", '{"layers": 7}', '{"layers": [{"digest": 3}]}', "[" * 5000)):
        put(manifest.parent / f"broken{n}", content)
    evil = {"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../../etc/passwd"}]}
    put(manifest.parent / "evil", json.dumps(evil))
    entries = listed(OllamaStore(tmp_path))
    assert "missing" in (entries["m:latest"].reason or "")
    assert not any(entry.loadable for entry in entries.values())
    assert not any("passwd" in str(entry.path) for entry in entries.values())


# --- one model in two stores ---


def test_one_file_in_two_stores_is_one_model_with_both_names(tmp_path: Path) -> None:
    content = gguf()
    hugging_face(tmp_path / "hub", "me/m-GGUF", {"m-Q4_0.gguf": content})
    ollama(tmp_path / "ollama", "library/m:latest", [("model", content)])
    (entry,) = listed(HuggingFaceStore(tmp_path / "hub"), OllamaStore(tmp_path / "ollama")).values()
    assert entry.also_in == ("ollama",)
    assert {"m:latest", "m", "me/m-GGUF:Q4_0"} <= set(entry.aliases)


def test_a_hard_link_and_a_folder_named_twice_are_one_model(tmp_path: Path) -> None:
    put(tmp_path / "a" / "m.gguf", gguf())
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "n.gguf").hardlink_to(tmp_path / "a" / "m.gguf")
    (entry,) = listed(FolderStore(tmp_path / "a"), FolderStore(tmp_path / "b"), FolderStore(tmp_path)).values()
    assert entry.id == "m"
    assert "n" in entry.aliases


# --- where they are ---


def roots(stores: list[Store]) -> list[Path]:
    return [store._root if isinstance(store, OllamaStore) else store._tree.root for store in stores]  # type: ignore[attr-defined]


def test_the_usual_places(tmp_path: Path) -> None:
    assert roots(user_stores({}, tmp_path)) == [
        tmp_path / ".cache/huggingface/hub",
        tmp_path / ".lmstudio/models",
        tmp_path / ".cache/lm-studio/models",
        tmp_path / ".ollama/models",
        Path("/usr/share/ollama/.ollama/models"),
    ]


def test_places_that_the_user_has_chosen(tmp_path: Path) -> None:
    put(tmp_path / ".lmstudio-home-pointer", f"{tmp_path / 'studio'}\n")
    put(tmp_path / "studio" / "settings.json", json.dumps({"downloadsFolder": str(tmp_path / "big")}))
    put(tmp_path / ".lmstudio" / "settings.json", "[" * 5000)
    environment = {"HF_HOME": str(tmp_path / "hf"), "OLLAMA_MODELS": str(tmp_path / "o")}
    found = roots(user_stores(environment, tmp_path))
    assert found[0] == tmp_path / "hf" / "hub"
    assert found[1:3] == [tmp_path / "big", tmp_path / "studio" / "models"]
    assert found[-1] == tmp_path / "o"
    assert roots(user_stores({**environment, "HF_HUB_CACHE": str(tmp_path / "h")}, tmp_path))[0] == tmp_path / "h"


# --- other formats ---

CONFIGS = {
    "plain": {"architectures": ["LlamaForCausalLM"]},
    "awq": {"quantization_config": {"quant_method": "awq"}},
    "gptq": {"quantization_config": {"quant_method": "gptq"}},
    "mlx": {"quantization": {"group_size": 64, "bits": 4}},
}


@pytest.mark.parametrize(
    ("files", "config", "kind", "advice"),
    [
        (
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
            "plain",
            "safetensors",
            "convert_hf",
        ),
        (["pytorch_model.bin"], "plain", "pytorch", "convert_hf"),
        (["model.safetensors"], "awq", "AWQ", "GGUF"),
        (["model.safetensors"], "gptq", "GPTQ", "GGUF"),
        (["model.safetensors"], "mlx", "mlx", "MLX"),
        (["onnx/model.onnx", "onnx/model_q4.onnx"], "plain", "onnx", "ONNX"),
    ],
)
def test_other_formats_are_listed_once_with_what_would_help(
    tmp_path: Path, files: list[str], config: str, kind: str, advice: str
) -> None:
    for name in files:
        put(tmp_path / "Nice-Model" / name)
    put(tmp_path / "Nice-Model" / "config.json", json.dumps(CONFIGS[config]))
    (entry,) = listed(FolderStore(tmp_path)).values()
    assert (entry.id, entry.format, entry.size_bytes) == ("Nice-Model", kind, 10 * len(files))
    assert advice in (entry.reason or "")
    snapshot = {**dict.fromkeys(files, b"x" * 10), "config.json": json.dumps(CONFIGS[config]).encode()}
    hugging_face(tmp_path / "hub", "me/Nice-Model", snapshot)
    (entry,) = listed(HuggingFaceStore(tmp_path / "hub")).values()
    assert (entry.id, entry.format) == ("Nice-Model", kind)


def test_lone_files_of_other_formats_and_what_is_no_model_at_all(tmp_path: Path) -> None:
    for name in ("a.safetensors", "ggml-old-q4_0.bin", "net.onnx", "tokenizer.bin", "photo.jpg", "yolo.pt", "x.json"):
        put(tmp_path / name)
    entries = listed(FolderStore(tmp_path))
    assert {row.id: row.format for row in entries.values()} == {
        "a": "safetensors",
        "ggml-old-q4_0": "ggml",
        "net": "onnx",
    }
    assert not any(row.loadable for row in entries.values())


def test_a_folder_with_a_gguf_file_too_is_there_once(tmp_path: Path) -> None:
    for name in ("m/model.safetensors", "m/config.json", "m/m-Q4_0.gguf"):
        put(tmp_path / name)
    assert list(listed(FolderStore(tmp_path))) == ["m-Q4_0"]


def test_adapters_and_image_models_of_other_formats(tmp_path: Path) -> None:
    put(tmp_path / "style" / "adapter_config.json", "{}")
    put(tmp_path / "style" / "adapter_model.safetensors")
    put(tmp_path / "painter" / "model_index.json", "{}")
    put(tmp_path / "painter" / "unet" / "model.safetensors")
    entries = listed(FolderStore(tmp_path))
    assert {row.id: row.format for row in entries.values()} == {"painter": "diffusers", "style": "peft"}
    assert "convert_lora_to_gguf" in (entries["style"].reason or "")
