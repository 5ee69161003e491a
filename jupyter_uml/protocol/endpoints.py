"""All endpoints. A test holds this list to the files of the package."""

from __future__ import annotations

from typing import Any

from jupyter_uml.protocol.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint[Any], ...] = ()
