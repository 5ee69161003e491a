"""Files that belong to a model: a draft model that guesses ahead, adapters that change it. Found in the catalog."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_uml.errors import InvalidRequest, ModelLoadFailed
from jupyter_uml.types import LoadSettings, Lora, SamplingParams
from tests.engine import tiny_models
from tests.loader.cases import collect, loader_over, request

pytestmark = pytest.mark.anyio
TOLD = SamplingParams(temperature=0, max_tokens=30)


async def test_a_model_with_a_draft_model_says_the_same() -> None:
    async with loader_over() as loader:
        plain = await collect(loader, request(params=TOLD))
        status = await loader.load("demo", LoadSettings(n_threads=1, draft_model="demo"))
        assert status.settings is not None
        assert status.settings.draft_model == "demo"
        drafted = await collect(loader, request(params=TOLD))
        assert "".join(chunk.text for chunk in drafted) == "".join(chunk.text for chunk in plain)
        assert (await loader.load("demo", LoadSettings(draft_model="demo"))).pid == status.pid


async def test_an_adapter_changes_the_answer_and_another_scale_is_another_load(tmp_path: Path) -> None:
    tiny_models.lora(tmp_path / "style.gguf", scale=2.0)
    async with loader_over(tmp_path) as loader:
        texts, pids = [], set()
        for scale in (0.0, 1.0):
            status = await loader.load("demo", LoadSettings(n_threads=1, lora=(Lora("style", scale),)))
            pids.add(status.pid)
            texts.append("".join(chunk.text for chunk in await collect(loader, request(params=TOLD))))
        assert texts[0] != texts[1]
        assert len(pids) == 2


@pytest.mark.parametrize(
    ("settings", "field"),
    [(LoadSettings(draft_model="nobody"), "draft_model"), (LoadSettings(lora=(Lora("nobody"),)), "lora")],
)
async def test_an_unknown_companion_is_named(settings: LoadSettings, field: str) -> None:
    async with loader_over() as loader:
        with pytest.raises(InvalidRequest, match="nobody") as caught:
            await loader.load("demo", settings)
        assert caught.value.param == field


async def test_a_companion_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    tiny_models.lora(tmp_path / "style.gguf", scale=1.0, width=64)
    async with loader_over(tmp_path) as loader:
        with pytest.raises(ModelLoadFailed):
            await loader.load("demo", LoadSettings(lora=(Lora("style"),)))
        with pytest.raises(InvalidRequest, match="adapter"):
            await loader.load("demo", LoadSettings(draft_model="style"))
        await loader.load("demo", LoadSettings(n_threads=1))
        assert (await collect(loader, request(params=TOLD)))[-1].finish_reason == "stop"
