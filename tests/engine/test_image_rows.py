"""Where images stand among tokens."""

from __future__ import annotations

import numpy as np

from jupyter_uml.engine.image_rows import ImagePlaces, ImageRows, place, pseudo_tokens


def rows(seed: bytes, count: int, n_positions: int | None = None, *, whole: bool = False) -> ImageRows:
    positions = count if n_positions is None else n_positions
    layout = np.arange(count, dtype=np.int32)[None]
    return ImageRows(b"", b"", 0, pseudo_tokens(seed, count), positions, layout, whole)


def test_pieces_are_put_one_after_the_other() -> None:
    cat, dog = rows(b"cat", 3), rows(b"dog", 2)
    tokens, images = place([[1, 2], cat, [3], [4], dog, [5]])
    assert tokens == [1, 2, *cat.tokens, 3, 4, *dog.tokens, 5]
    assert len(images) == 2
    assert images.end == 9
    assert not place([[1], [2]])[1]


def test_a_cut_lies_where_tokens_and_rows_meet() -> None:
    _, images = place([[1, 2], rows(b"cat", 3), rows(b"dog", 2), [5]])
    assert [images.border(index) for index in range(8)] == [2, 2, 5, 5, 5, 7, 7, None]
    assert [images.before(index) for index in range(8)] == [0, 1, 2, 2, 2, 5, 5, 7]
    assert ImagePlaces().border(3) is None


def test_only_rows_that_see_each_other_stay_together() -> None:
    _, images = place([[1], rows(b"cat", 3), rows(b"dog", 2, whole=True), [5]])
    assert [images.least(index) for index in range(7)] == [1, 1, 1, 1, 2, 1, 1]


def test_rows_of_two_dimensions_take_fewer_positions() -> None:
    _, images = place([[1], rows(b"cat", 6, 3), [2, 3], rows(b"dog", 4, 2), [4]])
    assert [images.position(index) for index in (0, 1, 3, 7, 8, 9, 12, 13)] == [0, 1, 1, 4, 5, 6, 6, 8]


def test_rows_are_placed_in_every_dimension() -> None:
    layout = np.array([[0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]], np.int32)
    square = ImageRows(b"", b"", 0, pseudo_tokens(b"square", 4), 2, layout, whole=False)
    _, images = place([[1, 2, 3], square, [4], square, [5]])
    assert images.positions(3, 4).tolist() == [[3, 3, 3, 3], [3, 3, 4, 4], [3, 4, 3, 4], [0, 0, 0, 0]]
    assert images.positions(9, 2).tolist() == [[6, 6], [6, 7], [7, 6], [0, 0]]
    assert images.positions(9, 2).flags.c_contiguous


def test_pseudo_tokens_tell_images_apart_and_fit_into_32_bits() -> None:
    one, two = pseudo_tokens(b"one", 1000), pseudo_tokens(b"two", 1000)
    assert one == pseudo_tokens(b"one", 1000)
    assert not set(one) & set(two)
    assert all(-(2**31) <= token < 0 for token in one)
