"""Images in requests: what is read, and that everything else is refused by name, within its bounds."""

from __future__ import annotations

import base64

import pytest

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol import images
from jupyter_uml.protocol.images import MAX_IMAGES, ImageReader, without_marks
from jupyter_uml.types import IMAGE_MARK
from tests.engine.vision_models import JPEG, bmp, gif, png

PARAM = "messages.0.content.1.image_url.url"


def url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    ("kind", "data"), [("image/png", png()), ("image/jpeg", JPEG), ("IMAGE/GIF", gif()), ("image/bmp", bmp())]
)
def test_a_data_url_gives_the_file(kind: str, data: bytes) -> None:
    assert ImageReader().url(url(data, kind), PARAM) == data
    assert ImageReader().base64(kind, base64.b64encode(data).decode(), PARAM) == data


def test_the_file_itself_says_what_it_is() -> None:
    assert ImageReader().url(url(JPEG, "image/png"), PARAM) == JPEG


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("https://example.org/cat.png", "not fetched from that server. Send a data: URL"),
        ("HTTP://127.0.0.1/cat.png", "not fetched"),
        ("file:///etc/passwd", "given as data:image/png;base64"),
        ("cat.png", "given as data:image/png;base64"),
        ("", "given as data:image/png;base64"),
        ("data:image/png,abc", "given as data:image/png;base64"),
        ("data:text/html;base64,PGI+", "given as data:image/png;base64"),
        (url(b"RIFF....WEBP", "image/webp"), "image/webp images cannot be read"),
        ("data:image/png;base64,a$b=", "not valid base64"),
        ("data:image/png;base64,YQ", "not valid base64"),
        ("data:image/png;base64,YQ==\nYQ==", "not valid base64"),
        ("data:image/png;base64,ä", "not valid base64"),
        ("data:image/png;base64,", "no image"),
        (url(b"hello"), "no image that can be read"),
        (url(b"RIFF....WEBPVP8 "), "WebP images cannot be read"),
        (url(png()[:20]), "cut short"),
    ],
)
def test_what_is_no_image_is_refused_by_name(sent: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason) as caught:
        ImageReader().url(sent, PARAM)
    assert caught.value.param == PARAM


def test_images_of_a_request_are_counted() -> None:
    reader = ImageReader()
    for _ in range(MAX_IMAGES):
        reader.url(url(gif()), PARAM)
    with pytest.raises(InvalidRequest, match=f"{MAX_IMAGES} images"):
        reader.url(url(gif()), PARAM)


def test_too_large_an_image_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("binascii.a2b_base64", lambda *_, **__: pytest.fail("was decoded"))
    with pytest.raises(InvalidRequest, match="16 MiB"):
        ImageReader().url("data:image/png;base64," + "A" * (23 << 20), PARAM)


def test_images_of_a_request_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_IMAGES_BYTES", 2 * len(bmp()))
    reader = ImageReader()
    reader.url(url(bmp()), PARAM)
    with pytest.raises(InvalidRequest, match="all of a request"):
        reader.url(url(bmp(16, 16)), PARAM)


def test_a_file_that_was_fetched_is_checked_like_others() -> None:
    address = "https://example.org/cat.png"
    assert ImageReader({address: JPEG}).url(address, PARAM) == JPEG
    with pytest.raises(InvalidRequest, match="no image"):
        ImageReader({address: b"<html>"}).url(address, PARAM)


def test_what_people_write_holds_no_mark_of_an_image() -> None:
    assert without_marks(f"a{IMAGE_MARK}b") == "ab"
