"""What is read from an image's header, and what is refused before a pixel is decoded."""

from __future__ import annotations

import struct
import time
import zlib

import pytest

from jupyter_uml.engine.image_header import MAX_IMAGE_BYTES, UnreadableImage, check_unpacked, read_header
from tests.engine.vision_models import JPEG, PROGRESSIVE_JPEG, bmp, gif, png, png_chunk


def png_of(width: int, height: int, data: bytes = b"", kind: int = 2, depth: int = 8) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (png(40, 30), ("PNG", 40, 30)),
        (JPEG, ("JPEG", 40, 24)),
        (PROGRESSIVE_JPEG, ("JPEG", 40, 24)),
        (gif(), ("GIF", 1, 1)),
        (bmp(8, 6), ("BMP", 8, 6)),
        (bmp(8, -6), ("BMP", 8, 6)),
    ],
)
def test_format_and_size_are_read(image: bytes, expected: tuple[str, int, int]) -> None:
    header = read_header(image)
    assert (header.format, header.width, header.height) == expected


@pytest.mark.parametrize("image", [png(), JPEG, gif(), bmp()])
def test_every_beginning_of_an_image_is_understood_or_refused(image: bytes) -> None:
    whole = read_header(image)
    for end in range(min(len(image), 300)):
        try:
            header = read_header(image[:end])
        except UnreadableImage:
            continue
        assert (header.width, header.height) == (whole.width, whole.height)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"", "no image"),
        (b"hello", "no image"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WebP images cannot be read. Send PNG"),
        (b"\0\0\0\x20ftypheic", "HEIC"),
        (b"<svg xmlns=''/>", "SVG"),
        (png()[:20], "cut short"),
        (JPEG[:30], "cut short"),
        (b"\xff\xd8\xff\xc3\0\x11\x08\0\x10\0\x10", "JPEG is damaged, or of a kind"),
        (b"\xff\xd8\xff\0", "cut short"),
        (b"BM" + bytes(12) + struct.pack("<I", 13) + bytes(20), "BMP is damaged"),
        (png_of(0, 5), "no pixels"),
        (png_of(8193, 5), "8193 × 5 pixels"),
        (png_of(8000, 8000), "8000 × 8000 pixels"),
        (png_of(2**32 - 1, 2**32 - 1), "pixels"),
        (png_of(1000, 5), "100 times as long"),
        (png_of(5, 5, depth=3), "PNG is damaged"),
        (png() + bytes(MAX_IMAGE_BYTES), "16 MiB"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(image: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImage, match=reason):
        read_header(image)


@pytest.mark.parametrize("filling", [b"\xff", b"\0", b"\xff\xfe\0\x02", b"\xff\xe0\0\x02"])
def test_a_long_walk_to_the_frame_of_a_jpeg_is_quick(filling: bytes) -> None:
    started = time.perf_counter()
    with pytest.raises(UnreadableImage):
        read_header(b"\xff\xd8" + filling * ((MAX_IMAGE_BYTES - 2) // len(filling)))
    assert time.perf_counter() - started < 2


def test_a_frame_behind_other_segments_counts() -> None:
    """A header with another size inside a comment must not be taken for the image's."""
    lie = b"\xff\xc0\0\x11\x08\0\x08\0\x08"
    image = b"\xff\xd8\xff\xfe" + struct.pack(">H", len(lie) + 2) + lie + JPEG[2:]
    assert read_header(image).width == 40


def test_a_png_unpacks_to_what_its_size_asks_for() -> None:
    image = png(300, 200)
    check_unpacked(image, read_header(image))
    bomb = png_of(10, 10, zlib.compress(bytes(50 << 20)))
    assert len(bomb) < 100_000
    with pytest.raises(UnreadableImage, match="unpacks to more"):
        check_unpacked(bomb, read_header(bomb))
    with pytest.raises(UnreadableImage, match="damaged"):
        check_unpacked(png_of(10, 10, b"no zlib"), read_header(png_of(10, 10)))


@pytest.mark.parametrize(("kind", "depth"), [(0, 1), (0, 16), (2, 16), (3, 4), (4, 8), (6, 16)])
def test_the_room_for_unpacking_fits_every_kind_of_png(kind: int, depth: int) -> None:
    """Interlaced, the passes of a tiny image have more bytes of filter types than of pixels."""
    for width, height in ((1, 1), (5, 3), (1, 60), (60, 1), (64, 64)):
        bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
        passes = ((0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2))
        sizes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, dx, y, dy in passes]
        needed = sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes if columns > 0 and rows > 0)
        assert read_header(png_of(width, height, kind=kind, depth=depth)).raw_bytes >= needed
