"""Images in requests: `data:` URLs and base64 text to encoded files, bounded before anything is decoded."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from jupyter_uml.engine.image_header import MAX_IMAGE_BYTES, UnreadableImage, read_header
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import IMAGE_MARK

MAX_IMAGES = 16  # of one request
MAX_IMAGES_BYTES = 24 << 20  # of them all
_DATA_URL = re.compile(r"data:(image/[\w.+-]{1,32});base64,", re.IGNORECASE)
_TYPES = ("image/png", "image/jpeg", "image/jpg", "image/gif", "image/bmp", "image/x-ms-bmp")
_URL_FIELDS = (".image_url", ".image_url.url", ".source.url")
_NONE: Mapping[str, bytes] = MappingProxyType({})


def without_marks(text: str) -> str:
    """What people wrote, without what would stand for an image in it."""
    return text.replace(IMAGE_MARK, "")


def is_remote(url: str) -> bool:
    return url[:8].lower().startswith(("http://", "https://"))


class ImageReader:
    """The images of one request, each checked and counted. `fetched`: files of remote URLs that were got before."""

    def __init__(self, fetched: Mapping[str, bytes] = _NONE) -> None:
        self._fetched, self._count, self._bytes = fetched, 0, 0

    def url(self, url: str, param: str) -> bytes:
        """The encoded image of a `data:` URL.

        Raises:
            InvalidRequest: a URL of another kind, or an image that is damaged, too large or one too many.
        """
        if url in self._fetched:
            self._admit(len(self._fetched[url]), param)
            return _checked(self._fetched[url], param)
        if is_remote(url):
            raise InvalidRequest(
                "Images are not fetched from that server. Send a data: URL with the image in base64.", param=param
            )
        found = _DATA_URL.match(url)
        if found is None:
            raise InvalidRequest("An image is given as data:image/png;base64,… (or jpeg, gif, bmp).", param=param)
        return self.base64(found[1], url[found.end() :], param)

    def base64(self, media_type: str, text: str, param: str) -> bytes:
        """The encoded image of a base64 text. Of which known type it really is, the file itself says.

        Raises:
            InvalidRequest: a type that is not read, no base64, or an image that is damaged, too large or one too many.
        """
        if media_type.lower() not in _TYPES:
            raise InvalidRequest(f"{media_type[:40]} images cannot be read. Send PNG, JPEG, GIF or BMP.", param=param)
        self._admit(len(text) // 4 * 3, param)
        try:
            data = binascii.a2b_base64(text, strict_mode=True)
        except ValueError as error:
            raise InvalidRequest("The image is not valid base64.", param=param) from error
        return _checked(data, param)

    def _admit(self, size: int, param: str) -> None:
        """Count an image of about `size` bytes."""
        self._count += 1
        self._bytes += size
        if self._count > MAX_IMAGES:
            raise InvalidRequest(f"A request may have {MAX_IMAGES} images.", param=param)
        if size > MAX_IMAGE_BYTES or self._bytes > MAX_IMAGES_BYTES:
            raise InvalidRequest(
                f"An image may have {MAX_IMAGE_BYTES >> 20} MiB, all of a request {MAX_IMAGES_BYTES >> 20} MiB.",
                param=param,
            )


def _checked(data: bytes, param: str) -> bytes:
    try:
        read_header(data)
    except UnreadableImage as error:
        raise InvalidRequest(str(error), param=param) from error
    return data


def remote_urls(body: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Where a body names images on other servers: each URL, and the name of its field."""
    if isinstance(body, Mapping):
        children = [(str(key), value) for key, value in body.items()]
    elif isinstance(body, list | tuple):
        children = [(str(place), value) for place, value in enumerate(body)]
    else:
        return
    for name, value in children:
        where = f"{path}.{name}" if path else name
        if isinstance(value, str):
            if where.endswith(_URL_FIELDS) and is_remote(value):
                yield value, where
        else:
            yield from remote_urls(value, where)
