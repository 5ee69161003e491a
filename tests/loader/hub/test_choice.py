"""What people write to name a model, how its files are sorted, and which of them is taken for which machine."""

from __future__ import annotations

import random

import pytest

from jupyter_uml.errors import InvalidRequest, NothingToPull
from jupyter_uml.loader.hub.choice import Choice, choose
from jupyter_uml.loader.hub.listing import HubFile, Listing
from jupyter_uml.loader.hub.name import PullName, is_inside
from jupyter_uml.loader.hub.quantisations import quantisation_of, rank

GIB = 1 << 30
REPO = "owner/Model-GGUF"
# Sizes of a model of 8 billion parameters, in thousandths of a GiB.
EIGHT = {
    "BF16": 15000, "Q8_0": 7950, "Q6_K": 6140, "Q5_K_M": 5330, "Q4_K_M": 4580, "IQ4_XS": 4170, "Q3_K_M": 3740,
    "Q2_K": 2960,
}  # fmt: skip


def listing(*files: tuple[str, float], other: tuple[str, ...] = ()) -> Listing:
    """Files with sizes in GiB."""
    made = tuple(HubFile(path, int(size * GIB), f"{number:064x}") for number, (path, size) in enumerate(files))
    return Listing(REPO, "0" * 40, made, other)


def family(sizes: dict[str, int], scale: float = 1.0) -> Listing:
    return listing(*((f"Model-{name}.gguf", scale * size / 1000) for name, size in sizes.items()))


def chosen(there: Listing, wanted: str = "", gib: float = 1000) -> Choice:
    return choose(there, PullName.parse(REPO + wanted), lambda size: size <= gib * GIB)


class TestNames:
    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("a/b", PullName("a/b")),
            (" a/b ", PullName("a/b")),
            ("a/b/", PullName("a/b")),
            ("a/b:Q4_K_M", PullName("a/b", "Q4_K_M")),
            ("a/b:q4_k_m@v1.2", PullName("a/b", "q4_k_m", revision="v1.2")),
            ("a/b@refs/pr/3", PullName("a/b", revision="refs/pr/3")),
            ("a/b:x-Q8_0.gguf", PullName("a/b", file="x-Q8_0.gguf")),
            ("a/b/sub/x.gguf", PullName("a/b", file="sub/x.gguf")),
            ("a/b/sub/x.gguf@main", PullName("a/b", file="sub/x.gguf")),
            ("hf.co/a/b:Q8_0", PullName("a/b", "Q8_0")),
            ("https://hf.co/a/b", PullName("a/b")),
            ("hf://a/b", PullName("a/b")),
            ("https://huggingface.co/a/b", PullName("a/b")),
            ("HTTPS://www.HuggingFace.co/a/b", PullName("a/b")),
            ("https://huggingface.co/a/b/tree/main", PullName("a/b")),
            ("https://huggingface.co/a/b?library=llama-cpp-python#how", PullName("a/b")),
            ("hf.co/a/b:latest", PullName("a/b")),
            ("https://huggingface.co/a/b/tree/v2/sub", PullName("a/b", revision="v2")),
            ("https://huggingface.co/a/b/blob/main/x%20y.gguf", PullName("a/b", file="x y.gguf")),
            ("https://huggingface.co/a/b/resolve/refs%2Fpr%2F1/x.gguf?download=true",
             PullName("a/b", file="x.gguf", revision="refs/pr/1")),
        ],
    )  # fmt: skip
    def test_all_ways_to_write_one(self, text: str, name: PullName) -> None:
        assert PullName.parse(text) == name
        assert PullName.parse(str(name)) == name

    @pytest.mark.parametrize(
        "text",
        ["", "a", "a/", "/b", "a//b", "../b", "a/..", "a/b/c", "a/b/../x.gguf", "a/b:../x.gguf", "a/b@../main", "a/b@",
         "a/b:Q4@x y", "http://evil.example/a/b", "https://huggingface.co.evil.example/a/b", "file:///etc/passwd",
         "a--x/b", "a/b\n", "a/b:\0.gguf", "-a/b", "a/b:c:d", "a/b/x.gguf:Q4_0", "a/" + "b" * 100, "a/b:" + "x" * 99,
         "https://huggingface.co/a/b/blob/main/..%2f..%2fx.gguf", "https://huggingface.co/a/b/blob/..%2fx/y.gguf"],
    )  # fmt: skip
    def test_what_is_no_name(self, text: str) -> None:
        if text in ("a/b@", "a/b\n"):  # nothing was said behind it
            assert PullName.parse(text) == PullName("a/b")
            return
        with pytest.raises(InvalidRequest) as raised:
            PullName.parse(text)
        assert raised.value.param == "model"

    def test_whatever_is_written_stays_in_its_folder(self) -> None:
        dice = random.Random(3)
        alphabet = ["a", "b", "/", "/", ".", "..", ":", "@", "\\", "%2e%2e", "%2f", ".gguf", "blob", "hf.co/", "\0"]
        for _ in range(20_000):
            text = "".join(dice.choices(alphabet, k=dice.randrange(1, 12)))
            try:
                name = PullName.parse(text)
            except InvalidRequest:
                continue
            for part in (name.repo, name.revision, name.file or "x"):
                assert is_inside(part)
                assert ".." not in part.split("/")


class TestQuantisations:
    @pytest.mark.parametrize(
        ("path", "label"),
        [
            ("Qwen3-8B-Q4_K_M.gguf", "Q4_K_M"),
            ("qwen2.5-7b-instruct-q4_k_m.gguf", "Q4_K_M"),
            ("model.Q5_K_S.gguf", "Q5_K_S"),
            ("gemma-3-27b-it-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
            ("UD-IQ2_XXS/GLM-UD-IQ2_XXS-00001-of-00003.gguf", "UD-IQ2_XXS"),
            ("Q8_0/model-00001-of-00002.gguf", "Q8_0"),
            ("model-IQ4_NL.gguf", "IQ4_NL"),
            ("model-fp16.gguf", "F16"),
            ("model-BF16.gguf", "BF16"),
            ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
            ("gpt-oss-20b-MXFP4_MOE.gguf", "MXFP4"),
            ("bitnet-TQ2_0.gguf", "TQ2_0"),
            ("old-Q4_0_4_4.gguf", "Q4_0_4_4"),
            ("q4-k-m.gguf", "Q4_K_M"),
            ("Qwen3-8B.gguf", None),
            ("model.gguf", None),
            ("F16-tools-Q6_K.gguf", "Q6_K"),
        ],
    )
    def test_are_read_from_names(self, path: str, label: str | None) -> None:
        assert quantisation_of(path.removesuffix(".gguf")) == label

    def test_order(self) -> None:
        order = ["F32", "F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "IQ3_XXS", "Q2_K", "IQ1_S"]
        ranks = [rank(name) or 0 for name in order]
        assert ranks == sorted(ranks)
        assert rank("UD-Q4_K_XL") == rank("Q4_K_XL")
        assert rank("Q4_0_4_4") is None


class TestListings:
    def test_a_split_model_is_one(self) -> None:
        there = listing(*((f"Q4_K_M/M-Q4_K_M-0000{n}-of-00003.gguf", n) for n in (3, 1, 2)))
        [offer] = there.offers
        assert [file.path[-15] for file in offer.files] == ["1", "2", "3"]
        assert offer.size_bytes == 6 * GIB

    def test_a_split_model_with_a_missing_part_is_none(self) -> None:
        there = listing(("M-Q4_K_M-00001-of-00003.gguf", 1), ("M-Q4_K_M-00003-of-00003.gguf", 1), ("M-Q8_0.gguf", 2))
        assert [offer.quantisation for offer in there.offers] == ["Q8_0"]

    def test_projectors_and_matrices_are_no_models(self) -> None:
        there = listing(
            ("M-Q4_K_M.gguf", 2), ("mmproj-F32.gguf", 1), ("mmproj-F16.gguf", 0.5), ("mmproj-BF16.gguf", 0.5),
            ("M.imatrix.gguf", 0.1), ("imatrix_unsloth.gguf", 0.1),
        )  # fmt: skip
        assert [offer.name for offer in there.offers] == ["M-Q4_K_M.gguf"]
        assert [file.path for file in there.projectors] == ["mmproj-F16.gguf", "mmproj-BF16.gguf", "mmproj-F32.gguf"]
        choice = chosen(there)
        assert [file.path for file in choice.files] == ["M-Q4_K_M.gguf", "mmproj-F16.gguf"]
        assert choice.size_bytes == 2.5 * GIB

    def test_a_model_that_was_quantised_by_statistics_is_one(self) -> None:
        there = listing(("M-imatrix-Q4_K_M.gguf", 4), ("M-BF16-imatrix.gguf", 0.1), ("imatrix-M-Q8_0.gguf", 0.1))
        assert [offer.name for offer in there.offers] == ["M-imatrix-Q4_K_M.gguf"]

    def test_layers_that_guess_ahead_are_no_second_model(self) -> None:
        assert chosen(listing(("M-Q4_K_M.gguf", 5), ("mtp-M-Q4_K_M.gguf", 1))).offer.name == "M-Q4_K_M.gguf"

    def test_each_model_comes_with_its_own_projector(self) -> None:
        sizes = ("2B", "8B")
        models = [(f"Eye-{size}-{kind}.gguf", 2) for size in sizes for kind in ("Q4_K_M", "Q8_0")]
        for projectors in (
            [(f"mmproj-Eye-{size}-f16.gguf", 1) for size in sizes],
            [(f"Eye-{size}-mmproj-{kind}.gguf", 1) for size in sizes for kind in ("f32", "f16")],
        ):
            for size in sizes:
                projector = chosen(listing(*models, *projectors), f":Eye-{size}-Q4_K_M.gguf").projector
                assert projector
                assert size in projector.path
                assert "f16" in projector.path

    def test_projectors_in_folders_and_under_other_names(self) -> None:
        folders = listing(*((f"{size}/{name}", 1) for size in "ab" for name in ("m-Q8_0.gguf", "mmproj.gguf")))
        assert [file.path for file in chosen(folders, ":b/m-Q8_0.gguf").files] == ["b/m-Q8_0.gguf", "b/mmproj.gguf"]
        assert chosen(listing(("m-Q8_0.gguf", 1), ("mmproj-vision-tower.gguf", 1))).projector
        others = listing(("a-Q8_0.gguf", 1), ("b-Q8_0.gguf", 1), ("mmproj-a.gguf", 1))
        assert chosen(others, ":b-Q8_0.gguf").projector is None


class TestChoices:
    @pytest.mark.parametrize(
        ("gib", "label"),
        [(1000, "Q4_K_M"), (6, "Q4_K_M"), (4.58, "Q4_K_M"), (4.5, "IQ4_XS"), (4, "Q3_K_M"), (3, "Q2_K")],
    )
    def test_of_a_larger_model_the_usual_one_or_the_best_that_fits(self, gib: float, label: str) -> None:
        choice = chosen(family(EIGHT), gib=gib)
        assert choice.offer.quantisation == label
        assert "fit" in choice.why

    def test_of_a_small_model_eight_bits(self) -> None:
        choice = chosen(family(EIGHT, 0.2))
        assert choice.offer.quantisation == "Q8_0"
        assert "1.6 GiB" in choice.why
        assert chosen(family(EIGHT, 0.2), gib=1).offer.quantisation == "Q4_K_M"

    def test_small_sizes_are_told_in_small_units(self) -> None:
        assert "With 500 MiB" in chosen(family({"Q8_0": 500, "Q4_0": 300}, 1000 / 1024)).why

    def test_the_projector_needs_its_room(self) -> None:
        files = [(f"M-{name}.gguf", EIGHT[name] / 1000) for name in ("Q4_K_M", "Q3_K_M")]
        assert chosen(listing(*files), gib=5).offer.quantisation == "Q4_K_M"
        assert chosen(listing(*files, ("mmproj-F16.gguf", 0.9)), gib=5).offer.quantisation == "Q3_K_M"

    def test_nothing_fits(self) -> None:
        with pytest.raises(NothingToPull, match=r"Q2_K, has 3\.0 GiB"):
            chosen(family(EIGHT), gib=1)

    def test_what_is_asked_for_is_taken_even_where_it_does_not_fit(self) -> None:
        choice = chosen(family(EIGHT), ":bf16", gib=1)
        assert choice.offer.quantisation == "BF16"
        assert "hardly fit" in choice.why
        assert "hardly fit" not in chosen(family(EIGHT), ":Q2_K", gib=5).why

    def test_only_large_ones(self) -> None:
        there = family({"F16": 15000, "Q8_0": 7950})
        assert chosen(there).offer.quantisation == "Q8_0"
        assert chosen(family({"MXFP4": 60000})).offer.quantisation == "MXFP4"

    def test_an_alias_and_a_dynamic_one(self) -> None:
        there = listing(("M-UD-Q4_K_XL.gguf", 5), ("M-Q4_K_M.gguf", 4.9))
        assert chosen(there, ":q4_k").offer.quantisation == "Q4_K_M"
        assert chosen(there, ":Q4_K_XL").offer.quantisation == "UD-Q4_K_XL"

    def test_any_part_names_its_model(self) -> None:
        there = listing(*((f"M-Q4_K_M-0000{n}-of-00002.gguf", n) for n in (1, 2)))
        assert len(chosen(there, ":M-Q4_K_M-00002-of-00002.gguf").files) == 2

    def test_what_is_not_there_is_told_with_what_is(self) -> None:
        with pytest.raises(NothingToPull, match=r"no Q5_0 here.*There is: BF16, Q8_0, Q6_K"):
            chosen(family(EIGHT), ":Q5_0")

    def test_several_models_want_a_name(self) -> None:
        there = listing(("small-Q4_K_M.gguf", 1), ("large-Q4_K_M.gguf", 3))
        for wanted in ("", ":Q4_K_M"):
            with pytest.raises(NothingToPull, match=r"large-Q4_K_M\.gguf, small-Q4_K_M\.gguf"):
                chosen(there, wanted)
        assert chosen(there, "/small-Q4_K_M.gguf").offer.name == "small-Q4_K_M.gguf"

    def test_a_name_that_tells_nothing_is_taken_where_it_is_the_only_one(self) -> None:
        assert chosen(listing(("model.gguf", 1))).offer.name == "model.gguf"

    def test_the_type_that_a_model_was_trained_in_is_rather_taken_than_one_made_of_it(self) -> None:
        there = listing(
            ("gpt-oss-20b-F16.gguf", 13.8), ("gpt-oss-20b-mxfp4.gguf", 12.1), ("gpt-oss-20b-Q4_K_M.gguf", 11.6)
        )
        assert chosen(there).offer.quantisation == "MXFP4"
        assert chosen(there, gib=12).offer.quantisation == "Q4_K_M"

    def test_files_that_are_no_whole_model_are_not_said_to_be_none(self) -> None:
        with pytest.raises(NothingToPull, match=r"is a whole model: M-00001-of-00002\.gguf, mmproj-F16\.gguf"):
            chosen(listing(("M-00001-of-00002.gguf", 1), ("mmproj-F16.gguf", 1)))

    def test_other_formats_are_named(self) -> None:
        with pytest.raises(NothingToPull, match="safetensors, which do not load"):
            chosen(listing(other=("safetensors",)))
