"""A model file's checksum: right, computed once, and again when the file changes."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from jupyter_uml.engine import fingerprint
from jupyter_uml.engine.fingerprint import file_sha256, known_sha256


def test_it_is_the_sha256_and_remembered(tmp_path: Path) -> None:
    model, cache = tmp_path / "model.gguf", tmp_path / "cache" / "sums"
    model.write_bytes(b"weights")
    assert file_sha256(model, cache) == hashlib.sha256(b"weights").hexdigest()
    (memory,) = cache.iterdir()
    assert stat.S_IMODE(memory.stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    memory.write_text(memory.read_text().rpartition(" ")[0] + " " + "0" * 64)  # to see that it is read
    assert file_sha256(model, cache) == "0" * 64


def test_another_content_has_another_sum(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"weights")
    old = file_sha256(model, tmp_path / "cache")
    times = model.stat()
    model.write_bytes(b"WEIGHTS")
    os.utime(model, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert file_sha256(model, tmp_path / "cache") == hashlib.sha256(b"WEIGHTS").hexdigest() != old
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"1 2 3 " + b"0" * 64, b"0" * 64])
def test_a_damaged_memory_is_passed_over(tmp_path: Path, content: bytes) -> None:
    model, cache = tmp_path / "model.gguf", tmp_path / "cache"
    model.write_bytes(b"weights")
    expected = file_sha256(model, cache)
    (memory,) = cache.iterdir()
    memory.write_bytes(content)
    assert file_sha256(model, cache) == expected


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"weights")
    assert file_sha256(model, model / "cache") == hashlib.sha256(b"weights").hexdigest()


def test_a_missing_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_sha256(tmp_path / "model.gguf", tmp_path)


def test_only_a_small_file_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, cache = tmp_path / "model.gguf", tmp_path / "cache"
    model.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert known_sha256(model, None) == digest
    monkeypatch.setattr(fingerprint, "SMALL_FILE", 3)
    assert known_sha256(model, cache) is None
    assert not cache.exists()
    file_sha256(model, cache)
    assert known_sha256(model, cache) == digest
    assert known_sha256(model, None) is None
