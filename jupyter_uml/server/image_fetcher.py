"""Images from other servers, where the configuration names these: whoever asks must not make this server ask others."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.netutil import DefaultLoopResolver, Resolver
from tornado.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError, SimpleAsyncHTTPClient

from jupyter_uml.engine.image_header import MAX_IMAGE_BYTES
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.images import MAX_IMAGES, MAX_IMAGES_BYTES, remote_urls

SECONDS = 10.0  # for all images of a request
_TRANSLATED = [ipaddress.IPv6Network(net) for net in ("64:ff9b::/96", "::/96")]  # RFC 6052, RFC 4291


class PublicResolver(DefaultLoopResolver):
    """Finds public addresses only: a name may point into this machine or its network, now or a moment later."""

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        found = await super().resolve(host, port, family)
        public = [(family, address) for family, address in found if _is_public(address[0])]
        if not public:
            raise OSError(f"{host} has no public address")
        return public


class ImageFetcher:
    """`hosts`: names from which images may be fetched, exactly as they stand in URLs; with a port unless the usual."""

    def __init__(self, hosts: Collection[str], resolver: Resolver | None = None) -> None:
        self._hosts = {host.lower() for host in hosts}
        self._resolver = resolver

    async def fetch_for(self, body: BaseModel) -> dict[str, bytes]:
        """Those that a request's body names.

        Raises:
            InvalidRequest: as in `fetch`.
        """
        return await self.fetch(remote_urls(body.model_dump())) if self._hosts else {}

    async def fetch(self, urls: Iterable[tuple[str, str]]) -> dict[str, bytes]:
        """The files behind these URLs, each given with the name of its field; those of other hosts are left out.

        Raises:
            InvalidRequest: one cannot be had, in time and within its bounds.
        """
        wanted = {url: param for url, param in urls if _host(url) in self._hosts}
        if not wanted:
            return {}
        if len(wanted) > MAX_IMAGES:
            raise InvalidRequest(f"A request may have {MAX_IMAGES} images.", param=list(wanted.values())[MAX_IMAGES])
        client = SimpleAsyncHTTPClient(
            force_instance=True, resolver=self._resolver or PublicResolver(), max_body_size=MAX_IMAGE_BYTES
        )
        try:
            return await self._all(client, wanted)
        finally:
            client.close()

    async def _all(self, client: SimpleAsyncHTTPClient, wanted: dict[str, str]) -> dict[str, bytes]:
        deadline = asyncio.get_running_loop().time() + SECONDS
        files: dict[str, bytes] = {}
        for url, param in wanted.items():
            left = deadline - asyncio.get_running_loop().time()
            files[url] = await _file(client, url, max(left, 0.001), param)
            if sum(map(len, files.values())) > MAX_IMAGES_BYTES:
                raise InvalidRequest(f"All images have more than {MAX_IMAGES_BYTES >> 20} MiB.", param=param)
        return files


async def _file(client: SimpleAsyncHTTPClient, url: str, seconds: float, param: str) -> bytes:
    request = HTTPRequest(
        url,
        connect_timeout=seconds,
        request_timeout=seconds,
        follow_redirects=False,
        decompress_response=False,
        headers={"Accept": "image/png, image/jpeg, image/gif, image/bmp"},
    )
    try:
        return (await client.fetch(request)).body
    except (HTTPClientError, OSError, ValueError) as error:
        raise InvalidRequest(f"The image could not be fetched: {_reason(error)}.", param=param) from error


def _reason(error: Exception) -> str:
    match error:
        case HTTPTimeoutError():
            return f"not within {SECONDS:.0f} s"
        case HTTPStreamClosedError():  # also where it is too large
            return f"the connection was closed, or it has more than {MAX_IMAGE_BYTES >> 20} MiB"
        case HTTPClientError():
            return f"its server answered {error.code}"
    return "its server cannot be reached"


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inside(address)
        return address.is_global and not (address.is_multicast or address.is_site_local) and _is_open(inner)
    return _is_open(address)


def _is_open(address: ipaddress.IPv4Address | None) -> bool:
    return address is None or (address.is_global and not address.is_multicast)


def _inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The address of the older kind that one of the newer kind leads to."""
    if any(address in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
