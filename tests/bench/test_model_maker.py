from pathlib import Path

import pytest

from tests.bench.model_maker import Shape, bench_model, fitting_shape


def test_shapes_come_near_the_size_that_was_asked_for() -> None:
    for billions in (0.05, 0.5, 7.0):
        assert fitting_shape(billions, 151_936).parameters == pytest.approx(billions * 1e9, rel=0.15)
    assert fitting_shape(0.5, 151_936) == Shape(896, 151_936)


@pytest.mark.parametrize("kind", ["babble", "recite"])
def test_a_model_is_made_once_and_says_what_it_should(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gguf")
    llama_cpp = pytest.importorskip("llama_cpp")
    monkeypatch.setenv("UML_BENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("UML_BENCH_VOCAB", raising=False)
    model = bench_model(0.001, kind=kind)  # type: ignore[arg-type]
    made = model.path.stat().st_mtime_ns
    assert bench_model(0.001, kind=kind).path.stat().st_mtime_ns == made  # type: ignore[arg-type]
    llama = llama_cpp.Llama(str(model.path), n_ctx=256, n_threads=1, verbose=False)
    prompt, rest = model.words[:10], model.words[10:30]
    assert len(llama.tokenize("".join(prompt).encode(), add_bos=False)) == 10
    text = llama.create_completion("".join(prompt), max_tokens=20, temperature=0 if kind == "recite" else 0.8)
    answer = text["choices"][0]["text"]
    if kind == "recite":
        assert answer == "".join(rest)
    assert text["choices"][0]["finish_reason"] == "length"
    assert answer.isascii()
    llama.close()
