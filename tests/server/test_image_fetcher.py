"""Images from other servers: from those that are named alone, and never from this machine's own network."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import DefaultLoopResolver, bind_sockets
from tornado.web import Application, RequestHandler

from jupyter_uml.engine.image_header import MAX_IMAGE_BYTES
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.images import remote_urls
from jupyter_uml.server import image_fetcher
from jupyter_uml.server.image_fetcher import ImageFetcher, PublicResolver
from tests.engine.vision_models import png

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Shop(RequestHandler):
    seen: list[str] = []  # noqa: RUF012

    async def get(self, name: str) -> None:
        Shop.seen.append(name)
        if name == "elsewhere":
            self.redirect("/cat")
        elif name == "slow":
            await asyncio.sleep(5)
        elif name == "huge":
            self.write(bytes(MAX_IMAGE_BYTES + 1))
        elif name == "none":
            self.send_error(404)
        else:
            self.write(png())


@asynccontextmanager
async def shop() -> AsyncIterator[str]:
    """A server, by its name and port."""
    server = HTTPServer(Application([(r"/(\w+)", Shop)]))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    Shop.seen.clear()
    yield f"localhost:{sockets[0].getsockname()[1]}"
    server.stop()
    await server.close_all_connections()


class LocalResolver(DefaultLoopResolver):
    async def resolve(self, host: str, port: int, family: socket.AddressFamily = socket.AF_INET) -> Any:
        return await super().resolve(host, port, socket.AF_INET)


async def test_what_stands_on_a_named_server_is_fetched() -> None:
    async with shop() as host:
        url = f"http://{host}/cat"
        fetched = await ImageFetcher([host.upper()], LocalResolver()).fetch([(url, "a"), (url, "b")])
        assert fetched == {url: png()}
        assert Shop.seen == ["cat"]


async def test_servers_that_are_not_named_are_not_asked() -> None:
    async with shop() as host:
        urls = [f"http://{host}/cat", f"http://me@{host}/cat", "http://[::1/cat", f"http://{host}.evil.org/cat"]
        assert await ImageFetcher([], LocalResolver()).fetch([(url, "a") for url in urls]) == {}
        assert await ImageFetcher(["localhost"], LocalResolver()).fetch([(url, "a") for url in urls]) == {}
        assert not Shop.seen


@pytest.mark.parametrize(
    ("name", "reason"),
    [("elsewhere", "answered 302"), ("none", "answered 404"), ("huge", "16 MiB"), ("slow", "not within")],
)
async def test_what_cannot_be_had_is_refused_by_name(name: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "slow":
        monkeypatch.setattr(image_fetcher, "SECONDS", 0.2)
    async with shop() as host:
        with pytest.raises(InvalidRequest, match=reason) as caught:
            await ImageFetcher([host], LocalResolver()).fetch([(f"http://{host}/{name}", "messages.0")])
        assert caught.value.param == "messages.0"
        assert Shop.seen == [name]


async def test_a_name_that_points_into_this_machine_is_refused() -> None:
    async with shop() as host:
        with pytest.raises(InvalidRequest, match="cannot be reached"):
            await ImageFetcher([host]).fetch([(f"http://{host}/cat", "a")])
        assert not Shop.seen


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "::7f00:1",
        "2002:7f00:1::",
        "fec0::1",
        "ff02::1",
        "224.0.0.1",
    ],
)
async def test_private_addresses_are_none(address: str) -> None:
    with pytest.raises(OSError, match="no public address"):
        await PublicResolver().resolve(address, 80)


async def test_public_addresses_are_found() -> None:
    assert [address[0] for _, address in await PublicResolver().resolve("1.1.1.1", 80)] == ["1.1.1.1"]


def test_urls_are_found_where_images_stand() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://a/1"}}
    body = {
        "messages": [{"content": [{"type": "text", "text": "https://a/no"}, image]}],
        "input": [{"content": [{"image_url": "https://a/2"}, {"image_url": "data:image/png;base64,"}]}],
        "tools": [{"parameters": {"url": "https://a/no"}}],
        "other": [{"source": {"type": "url", "url": "https://a/3"}}],
    }
    assert list(remote_urls(body)) == [
        ("https://a/1", "messages.0.content.1.image_url.url"),
        ("https://a/2", "input.0.content.0.image_url"),
        ("https://a/3", "other.0.source.url"),
    ]
