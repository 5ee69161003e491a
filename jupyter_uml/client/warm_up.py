"""What the first request over HTTP would be late for: imports that are made as late as possible otherwise."""

from __future__ import annotations

import ssl


def fetch() -> None:
    """Blocks for some tenths of a second, once."""
    import httpx2

    from jupyter_uml.client import http_transport  # noqa: F401
    from jupyter_uml.protocol.openai import messages  # noqa: F401

    httpx2.AsyncClient(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), trust_env=False)  # imports what carries it
