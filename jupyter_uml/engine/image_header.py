"""How large an encoded image is, read from its header: no pixel is decoded, whatever the file claims.

The formats are those that llama.cpp's decoder of images (stb_image) reads.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

MAX_IMAGE_BYTES = 16 << 20  # of an encoded image
MAX_SIDE = 8192  # pixels
MAX_PIXELS = 1 << 24
MAX_RATIO = 100  # of the longer side to the shorter one: beyond it there is nothing to be seen, only to be computed

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_BMP_HEADERS = (12, 40, 56, 108, 124)  # bytes
_JPEG_MARKER = re.compile(rb"\xff[^\xff]")
_JPEG_SEGMENTS = 4096  # that a real one may have before its frame: colour profiles and the like have hundreds
_JPEG_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive
_JPEG_TABLES = {0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)}  # segments that may stand before the frame
_OTHERS = (  # what people send, too, and the decoder cannot read
    (b"RIFF", "WebP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"\0\0\0\x0cJXL", "JPEG XL"),
    (b"<svg", "SVG"),
    (b"<?xml", "SVG"),
    (b"%PDF", "PDF"),
)


class UnreadableImage(ValueError):
    """What is wrong with an image, in a sentence for the person who sent it."""


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """`raw_bytes`: how much a PNG's data may unpack to; 0 for the other formats, which cannot unpack to more."""

    format: str
    width: int  # pixels
    height: int
    raw_bytes: int = 0


def read_header(data: bytes) -> ImageHeader:
    """What the image is, within all bounds.

    Raises:
        UnreadableImage: of no known format, damaged, or too large.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise UnreadableImage(f"The image has more than {MAX_IMAGE_BYTES >> 20} MiB.")
    try:
        header = _header(data)
    except struct.error as error:
        raise UnreadableImage("The image is cut short.") from error
    _check_size(header.width, header.height)
    return header


def check_unpacked(data: bytes, header: ImageHeader) -> None:
    """See that a PNG unpacks to no more than its size asks for: the decoder would take gigabytes for a bomb.

    Raises:
        UnreadableImage: it does, or it cannot be unpacked.
    """
    if header.format != "PNG":
        return
    stream, count = zlib.decompressobj(), 0
    try:
        for chunk in _png_data(data):
            rest = chunk
            while rest and not stream.eof:
                count += len(stream.decompress(rest, 1 << 20))
                rest = stream.unconsumed_tail
                if count > header.raw_bytes:
                    raise UnreadableImage("The PNG unpacks to more than its size asks for.")
    except zlib.error as error:
        raise UnreadableImage("The PNG is damaged.") from error


def _header(data: bytes) -> ImageHeader:
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return ImageHeader("GIF", *struct.unpack_from("<HH", data, 6))
    if data.startswith(b"BM"):
        return _bmp(data)
    named = next((name for magic, name in _OTHERS if data.startswith(magic)), None)
    named = "HEIC or AVIF" if data[4:8] == b"ftyp" else named
    what = f"{named} images cannot be read" if named else "This is no image that can be read"
    raise UnreadableImage(f"{what}. Send PNG, JPEG, GIF or BMP.")


def _check_size(width: int, height: int) -> None:
    short, long = sorted((width, height))
    if short < 1:
        raise UnreadableImage("The image has no pixels.")
    if long > MAX_SIDE or width * height > MAX_PIXELS:
        raise UnreadableImage(
            f"The image has {width} × {height} pixels; at most {MAX_PIXELS:,} are read, {MAX_SIDE} on a side. Scale it."
        )
    if long > MAX_RATIO * short:
        raise UnreadableImage(f"The image is more than {MAX_RATIO} times as long as it is wide. Cut it into pieces.")


def _png(data: bytes) -> ImageHeader:
    length, kind, width, height, depth, colour = struct.unpack_from(">I4sIIBB", data, len(_PNG))
    if (length, kind) != (13, b"IHDR") or colour not in _PNG_CHANNELS or depth not in (1, 2, 4, 8, 16):
        raise UnreadableImage("The PNG is damaged.")
    row = width * depth * _PNG_CHANNELS[colour] // 8 + 2
    return ImageHeader("PNG", width, height, 2 * row * height + 64)  # interlaced, small images are twice as large


def _png_data(data: bytes) -> list[bytes]:
    place, chunks = len(_PNG), list[bytes]()
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"IEND":
            break
        if kind == b"IDAT":
            chunks.append(data[place + 8 : place + 8 + length])
        place += length + 12
    return chunks


def _jpeg(data: bytes) -> ImageHeader:
    """Walks over the segments as the decoder does: the first frame's header counts, and nothing else may come first."""
    place = 2
    for _ in range(_JPEG_SEGMENTS):
        if (found := _JPEG_MARKER.search(data, place)) is None:
            raise UnreadableImage("The image is cut short.")
        marker, place = data[found.end() - 1], found.end()
        (length,) = struct.unpack_from(">H", data, place)
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, place + 3)
            return ImageHeader("JPEG", width, height)
        if marker not in _JPEG_TABLES or length < 2:
            raise UnreadableImage("The JPEG is damaged, or of a kind that is not read (lossless, arithmetic).")
        place += length
    raise UnreadableImage("The JPEG is damaged: it has too many segments.")


def _bmp(data: bytes) -> ImageHeader:
    (size,) = struct.unpack_from("<I", data, 14)
    if size not in _BMP_HEADERS:
        raise UnreadableImage("The BMP is damaged, or of a kind that is not read.")
    width, height = struct.unpack_from("<HH" if size == 12 else "<ii", data, 18)
    return ImageHeader("BMP", width, abs(height))  # stored from the top where it is negative
