"""The endpoints of a server, in a process without one: the same bodies, the same checks, the same answers."""

from __future__ import annotations

import secrets
from typing import Any

from jupyter_uml.client.local_live import shown
from jupyter_uml.live import Live
from jupyter_uml.protocol.body import validated
from jupyter_uml.protocol.endpoint import Caller
from jupyter_uml.protocol.endpoints import ENDPOINTS
from jupyter_uml.service import Service

PRINCIPAL = "local"  # whose prefix caches and kept answers these are
BY_PATH = {endpoint.path: endpoint for endpoint in ENDPOINTS}


async def answer_of(live: Live, service: Service, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What `path` answers to `body` as a whole.

    Raises:
        UmlError: as a server would answer.
    """
    endpoint, request_id = BY_PATH[path], secrets.token_hex(12)
    parsed = validated(endpoint.body, body)
    with shown(live, service, f"req_{request_id}", getattr(parsed, "model", ""), path) as verbs:
        return await endpoint.whole(verbs, parsed, Caller(PRINCIPAL, request_id))
