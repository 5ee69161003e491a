"""Models that see, from the catalog to the answer of a worker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.service import Service
from jupyter_uml.types import IMAGE_MARK, GenerateRequest, Message, PromptRequest, SamplingParams
from tests.engine import vision_models
from tests.engine.vision_models import DAMAGED_JPEG, png
from tests.loader.cases import collect, loader_over, request

pytestmark = pytest.mark.anyio


def see(image: bytes, model: str = "llava") -> GenerateRequest:
    message = Message("user", f"What is this? {IMAGE_MARK} Say it.", images=(image,))
    params = SamplingParams(temperature=0, max_tokens=12, ignore_eos=True, logprobs=0)
    return GenerateRequest("r", model, messages=(message,), params=params)


async def test_a_model_sees_by_the_projector_beside_it(tmp_path: Path) -> None:
    vision_models.llava(tmp_path)
    async with loader_over(tmp_path) as loader:
        answers = [await collect(loader, see(png(seed=seed))) for seed in (1, 2, 1)]
        tokens = [[each.chosen for chunk in answer for each in chunk.logprobs] for answer in answers]
        assert tokens[0] == tokens[2] != tokens[1]
        info = (await loader.load("llava")).info
        assert info is not None
        assert info.can_see
        prompt = await Service(loader).compute(PromptRequest("p", "llava", see(png())))
        assert "What is this?" in prompt.text
        usage = answers[0][-1].usage
        assert usage is not None
        assert len(prompt.tokens) == usage.prompt_tokens


async def test_a_damaged_image_ends_its_own_request_alone(tmp_path: Path) -> None:
    vision_models.llava(tmp_path)
    async with loader_over(tmp_path) as loader:
        with pytest.raises(InvalidRequest, match="damaged"):
            await collect(loader, see(DAMAGED_JPEG))
        assert (await collect(loader, see(png())))[-1].finish_reason == "length"


async def test_a_model_without_a_projector_says_so() -> None:
    async with loader_over() as loader:
        with pytest.raises(InvalidRequest, match="no projector"):
            await collect(loader, see(png(), "demo"))
        assert (await collect(loader, replace(request(), id="next")))[-1].finish_reason == "stop"
