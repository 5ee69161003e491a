"""States, downloads and tables of models in words."""

from __future__ import annotations

from dataclasses import replace

from jupyter_uml.client import PullProgress
from jupyter_uml.kernel import notes, tables
from jupyter_uml.types import (
    EffectiveSettings,
    MemoryEstimate,
    MemoryPart,
    ModelFacts,
    ModelStatus,
)

ROW = ModelStatus("demo", "available", 6_170_976, "demo")
LOADED = ModelStatus(
    "<b>", "loaded", 10, "folder", memory_bytes=78_000_000, settings=EffectiveSettings(1024, 4, 1, 0, "f16")
)


def test_how_long_a_model_stays() -> None:
    rows = [ROW, replace(LOADED, expires_in=720.0), replace(LOADED, kernels=2), replace(LOADED, pinned=True, kernels=1)]
    assert [notes.stay_note(row) for row in rows] == ["", "in 12 min", "not while 2 notebooks use it", "pinned"]
    assert notes.loaded_note(rows[1]).endswith("unloads in 12 min without use")


def test_a_model_that_waits_for_memory_says_for_how_much() -> None:
    row = replace(ROW, state="queued", estimated_bytes=3 << 30)
    assert notes.waiting_note(row) == "demo needs 3 GiB and waits for memory, until other models have answered …"


PULL = PullProgress("pull_1", "o/r:Q4_K_M", "downloading", 1 << 30, 4 << 30, 5 << 20, 614.0)


def test_a_pull_says_what_is_coming_and_how_far_it_is() -> None:
    assert notes.pull_heading(PULL) == "Looking for o/r:Q4_K_M on the hub …"
    two = replace(PULL, files=("r-Q4_K_M.gguf", "mmproj.gguf"), why="It was asked for.")
    assert notes.pull_heading(two) == "o/r:Q4_K_M: r-Q4_K_M.gguf and 1 more file. It was asked for."
    assert notes.pull_note(PULL) == "25% of 4 GiB · 5 MiB/s · 10 min left"
    assert notes.pull_note(replace(PULL, state="verifying")) == "25% of 4 GiB · checking what came"
    assert notes.pull_note(PullProgress("", "o/r")) == ""
    assert notes.pulled_note(replace(PULL, model="r-Q4_K_M")) == "r-Q4_K_M is here · 4 GiB"


def test_tables_in_html_are_escaped() -> None:
    html = tables.to_html(tables.status_table([LOADED], "a < b"))
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert "a &lt; b" in html


def test_tables_in_text_are_aligned() -> None:
    text = tables.to_text(tables.models_table([ROW, LOADED]))
    assert text.splitlines() == [
        "Model  State          Size  Context  From",
        "<b>    loaded         10 B     1024  folder",
        "demo   available  5.89 MiB           demo",
    ]


def test_the_list_of_models_tells_what_is_known_of_them() -> None:
    facts = ModelFacts("model", "llama", 8_030_261_248, "Q4_K_M", n_ctx_train=131072)
    big = replace(ROW, id="big", facts=facts, aliases=("large", "b"))
    profile = replace(ROW, id="brief", source="profile", base="big", state="queued")
    text = tables.to_text(tables.models_table([big, profile, replace(LOADED, id="x", pinned=True)]))
    assert text.splitlines() == [
        "Model  State      Unloads      Size  Parameters  Quantisation     Context  From            Also called",
        "brief  queued              5.89 MiB                                        profile of big",
        "x      loaded     pinned       10 B                                  1024  folder",
        "big    available           5.89 MiB       8.03B  Q4_K_M        up to 128k  demo            large, b",
    ]


def test_what_cannot_be_loaded_is_folded_away_at_the_end() -> None:
    broken = [replace(ROW, id=f"broken-{i}", reason=f"Damaged at <{i}>.") for i in range(30)]
    table = tables.models_table([*broken, ROW])
    assert tables.to_text(table).splitlines()[1:] == [
        "demo   available  5.89 MiB           demo",
        "30 cannot be loaded; `%uml models --all` says why",
    ]
    html = tables.to_html(table)
    assert html.index(">demo<") < html.index("<details") < html.index("Damaged at &lt;7&gt;.")
    assert " open>" not in html
    unfolded = tables.models_table([*broken, ROW], unfold=True)
    assert "Damaged at <29>." in tables.to_text(unfolded)
    assert " open>" in tables.to_html(unfolded)


def test_of_a_thousand_models_the_first_ones_are_shown_and_how_to_find_the_others() -> None:
    rows = [replace(ROW, id=f"model-{i}") for i in range(1000)] + [replace(LOADED, id="in-use")]
    broken = [replace(ROW, id=f"broken-{i}", reason="Damaged.") for i in range(60)]
    table = tables.models_table([*rows, *broken])
    _, first, *shown, note, folded = tables.to_text(table).splitlines()
    assert first.startswith("in-use")
    assert len(shown) == 49
    more = "`%uml models WORD` lists those with WORD in their names, `%uml models --all` all"
    assert note == f"and 951 more: {more}"
    assert folded.startswith("60 cannot be loaded")
    html = tables.to_html(table)
    assert (html.count(">model-"), html.count(">broken-")) == (49, 50)
    assert html.index(note) < html.index("<details") < html.index(f"and 10 more: {more}") < html.index("</details>")
    everything = tables.to_text(tables.models_table([*rows, *broken], unfold=True))
    assert (everything.count("model-"), everything.count("broken-")) == (1000, 60)
    assert "more:" not in everything


def test_models_are_found_by_a_word_in_any_of_their_names() -> None:
    big = replace(ROW, id="Qwen3-8B", aliases=("coder",))
    profile = replace(ROW, id="brief", base="Qwen3-8B")
    rows = [big, profile, replace(ROW, id="gemma")]
    assert tables.named(rows, "qwen") == [big, profile]
    assert tables.named(rows, "COD") == [big]
    assert tables.named(rows, "llama") == []


def test_an_estimate_shows_what_the_memory_is_for() -> None:
    parts = (
        MemoryPart("weights", 100 << 20, 900 << 20),
        MemoryPart("repacked", 1 << 20),
        MemoryPart("kv_cache", 0),
        MemoryPart("cache", 1 << 30, needed=False),
    )
    settings = EffectiveSettings(8192, 4, 2, 20, "q8_0")
    verdict = "fits with 8k context: else it needs 3 GiB, has 2 GiB"
    estimate = MemoryEstimate("big", verdict, True, False, settings, 3 << 30, 2 << 30, 9216, parts, ("demo",))
    assert tables.to_text(tables.estimate_table(estimate)).splitlines() == [
        f"big {verdict}",
        "What for   Memory  On the GPU",
        "Weights   101 MiB     900 MiB",
        "Together  101 MiB     900 MiB",
        "context 8192 tokens, 4 at a time, q8_0 KV cache · largest context 9216 tokens · demo would be unloaded",
    ]


def test_a_model_that_loads_shows_how_far_it_is() -> None:
    assert notes.loading_note(ModelStatus("demo", "loading", 1, "demo", progress=0.5)) == "Loading demo … 50%"
    assert notes.loading_note(ModelStatus("demo", "restarting", 1, "demo")) == "Restarting demo …"
