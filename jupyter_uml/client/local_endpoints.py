"""The endpoints of a server, in a process without one: the same bodies, the same checks, the same answers."""

from __future__ import annotations

import secrets
from typing import Any

from jupyter_uml.protocol.body import validated
from jupyter_uml.protocol.endpoint import Caller
from jupyter_uml.protocol.endpoints import ENDPOINTS
from jupyter_uml.service import Service

PRINCIPAL = "local"  # whose prefix caches and kept answers these are
BY_PATH = {endpoint.path: endpoint for endpoint in ENDPOINTS}


async def answer_of(service: Service, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What `path` answers to `body` as a whole.

    Raises:
        UmlError: as a server would answer.
    """
    endpoint = BY_PATH[path]
    return await endpoint.whole(service, validated(endpoint.body, body), Caller(PRINCIPAL, secrets.token_hex(12)))
