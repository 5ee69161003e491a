"""Dicts in the shape of OpenAI's API, checked by the very models that the server checks them by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.protocol.body import Body, validated


def checked(model: type[Body], sent: Mapping[str, Any], where: str) -> Body:
    """`sent` as `model`. `where`: the argument that it stands in.

    Raises:
        InvalidRequest: `param` names the field that is wrong.
    """
    try:
        return validated(model, dict(sent))
    except InvalidRequest as error:
        if error.param is None:
            raise InvalidRequest(f"{where}: {error.message}", param=where) from error
        raise InvalidRequest(f"{where}.{error.message}", param=f"{where}.{error.param}") from error
