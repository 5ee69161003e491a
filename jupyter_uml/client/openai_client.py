"""The `openai` package's own client, set up for the models of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_uml.client.client import UniversalClient
from jupyter_uml.client.discover import own_kernel_id
from jupyter_uml.client.transport import KERNEL_HEADER
from jupyter_uml.errors import UmlError

if TYPE_CHECKING:
    from openai import OpenAI

NO_KEY = "no-key-needed"  # the SDK insists on one


class OpenAIMissing(UmlError, ImportError):
    """The package `openai` is not installed."""


def OpenAICompatibleClient(url: str | None = None, api_key: str | None = None, **options: Any) -> OpenAI:
    """An `openai.OpenAI` whose `base_url` and key are those of the server that `UniversalClient()` would use.

    Where there is no server, its requests are answered in this process. `options` go to `openai.OpenAI`.

    Raises:
        OpenAIMissing: the package is not installed.
    """
    try:
        import openai
    except ImportError as error:
        raise OpenAIMissing("The openai package is not installed: run `pip install openai`.") from error
    client = UniversalClient(url, api_key)
    server = client.server()
    if server is None:
        from jupyter_uml.client.openai_local import BASE_URL, local_http_client

        options.setdefault("http_client", local_http_client(client))
        return openai.OpenAI(base_url=BASE_URL, api_key=NO_KEY, **options)
    client.close()
    if kernel := own_kernel_id():
        options["default_headers"] = {KERNEL_HEADER: kernel, **(options.get("default_headers") or {})}
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.api_key or NO_KEY, **_direct(server.url, options))


def _direct(url: str, options: dict[str, Any]) -> dict[str, Any]:
    """A proxy of the environment is not the way to this machine itself."""
    from jupyter_uml.client.http_transport import is_loopback

    if is_loopback(url) and "http_client" not in options:
        from openai import DefaultHttpxClient

        options["http_client"] = DefaultHttpxClient(trust_env=False)
    return options
