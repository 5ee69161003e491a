"""What is known of a model that answers, and of one that is not loaded now."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from jupyter_uml.client import AsyncUniversalClient
from jupyter_uml.client.health import Health
from jupyter_uml.kernel.answer_cache import AnswerCache
from jupyter_uml.kernel.bounded_folder import BoundedFolder
from jupyter_uml.kernel.origin import Origin, origin_of
from jupyter_uml.types import EffectiveSettings, ModelInfo, ModelProfile, ModelStatus

SHA = "a" * 64
INFO = ModelInfo("llama", "", 1, 1, 1, True, SHA, template_sha256="b" * 64, engine="llama 1, CPU (AVX)")
LOADED = ModelStatus("m", "loaded", 1, "", settings=EffectiveSettings(512, 2, 1, 0, "q8_0"), info=INFO, sha256=SHA)
UNLOADED = ModelStatus("m", "available", 1, "", sha256=SHA)


class Told:
    """A client whose server says this."""

    def __init__(self, status: ModelStatus, engine: str = "llama 1", profiles: tuple[ModelProfile, ...] = ()) -> None:
        self._status, self._engine, self._profiles = status, engine, list(profiles)

    async def model(self, name: str) -> ModelStatus:
        return self._status

    async def profiles(self) -> list[ModelProfile]:
        return self._profiles

    async def health(self) -> Health:
        return Health("ok", engine=self._engine)


def origin(memory: AnswerCache | None, *told: Any) -> Origin:
    return asyncio.run(origin_of(cast(AsyncUniversalClient, Told(*told)), "m", memory))


def memory_in(folder: Path) -> AnswerCache:
    return AnswerCache(BoundedFolder(lambda: folder, 1 << 20))


def test_a_loaded_model_says_it_itself() -> None:
    found = origin(None, LOADED)
    assert found == Origin("m", SHA, INFO.template_sha256, INFO.engine, found.settings)
    assert (found.settings["n_ctx"], found.settings["kv_type"]) == (512, "q8_0")
    assert found.whole


def test_the_file_that_was_loaded_counts_not_the_one_in_its_place() -> None:
    assert origin(None, replace(LOADED, sha256="c" * 64)).model_sha256 == SHA


def test_an_unloaded_model_is_what_it_was_when_it_was_loaded_last(tmp_path: Path) -> None:
    assert not origin(memory_in(tmp_path), UNLOADED).whole
    loaded = origin(memory_in(tmp_path), LOADED)
    assert origin(memory_in(tmp_path), UNLOADED) == loaded


def test_another_file_or_another_build_is_not_taken_for_it(tmp_path: Path) -> None:
    memory = memory_in(tmp_path)
    origin(memory, LOADED)
    assert not origin(memory, replace(UNLOADED, sha256="c" * 64)).whole
    assert not origin(memory, replace(UNLOADED, sha256=None)).whole
    assert not origin(memory, UNLOADED, "llama 2").whole
    assert not origin(memory, UNLOADED, "").whole  # an older server does not say


def test_a_profile_is_another_origin_and_changes_with_its_settings(tmp_path: Path) -> None:
    memory, row = memory_in(tmp_path), replace(LOADED, base="base")
    calm = ModelProfile("m", "m", "base", sampling={"temperature": 0.1})
    found = origin(memory, row, "llama 1", (calm,))
    assert found != origin(memory, row, "llama 1", (replace(calm, system_prompt="Be brief."),))
    unloaded = replace(UNLOADED, base="base")
    assert origin(memory, unloaded, "llama 1", (calm,)) == found
    assert not origin(memory, unloaded, "llama 1", (replace(calm, sampling={}),)).whole
