"""The `openai` package's own clients, set up for the models of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_uml.client.client import UniversalClient
from jupyter_uml.client.discover import Server, own_kernel_id
from jupyter_uml.client.transport import KERNEL_HEADER
from jupyter_uml.errors import UmlError

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

NO_KEY = "no-key-needed"  # the SDK insists on one


class OpenAIMissing(UmlError, ImportError):
    """The package `openai` is not installed."""


def OpenAICompatibleClient(url: str | None = None, api_key: str | None = None, **options: Any) -> OpenAI:
    """An `openai.OpenAI` whose `base_url` and key are those of the server that `UniversalClient()` would use.

    Where there is no server, its requests are answered in this process. `options` go to `openai.OpenAI`.

    Raises:
        OpenAIMissing: the package is not installed.
    """
    _check_installed()
    import openai

    client = UniversalClient(url, api_key)
    server = client.server()
    if server is None:
        from jupyter_uml.client.openai_local import BASE_URL, local_http_client

        options.setdefault("http_client", local_http_client(client))
        return openai.OpenAI(base_url=BASE_URL, api_key=NO_KEY, **options)
    client.close()
    if _is_direct(server, options):
        options["http_client"] = openai.DefaultHttpxClient(trust_env=False)
    return openai.OpenAI(**_place(server), **_with_kernel(options))


def AsyncOpenAICompatibleClient(url: str | None = None, api_key: str | None = None, **options: Any) -> AsyncOpenAI:
    """The same for asyncio: an `openai.AsyncOpenAI`. Looking for the server takes a moment, which this call waits.

    Raises:
        OpenAIMissing: the package is not installed.
    """
    _check_installed()
    import openai

    client = UniversalClient(url, api_key)
    server = client.server()
    if server is None:
        from jupyter_uml.client.openai_local import BASE_URL, local_async_http_client

        options.setdefault("http_client", local_async_http_client(client))
        return openai.AsyncOpenAI(base_url=BASE_URL, api_key=NO_KEY, **options)
    client.close()
    if _is_direct(server, options):
        options["http_client"] = openai.DefaultAsyncHttpxClient(trust_env=False)
    return openai.AsyncOpenAI(**_place(server), **_with_kernel(options))


def _check_installed() -> None:
    try:
        import openai  # noqa: F401  # this is the check
    except ImportError as error:
        raise OpenAIMissing("The openai package is not installed: run `pip install openai`.") from error


def _place(server: Server) -> dict[str, Any]:
    from jupyter_uml.client.http_transport import base_url

    return {"base_url": f"{base_url(server.url)}/v1", "api_key": server.api_key or NO_KEY}


def _with_kernel(options: dict[str, Any]) -> dict[str, Any]:
    kernel = own_kernel_id()
    if kernel is None:
        return options
    return options | {"default_headers": {KERNEL_HEADER: kernel, **(options.get("default_headers") or {})}}


def _is_direct(server: Server, options: dict[str, Any]) -> bool:
    """A proxy of the environment is not the way to this machine itself."""
    from jupyter_uml.client.http_transport import is_loopback

    return is_loopback(server.url) and "http_client" not in options
