"""Whose answers somebody may read: the own ones."""

from __future__ import annotations

from jupyter_core.utils import ensure_async

from jupyter_uml.server.base import UmlHandler
from jupyter_uml.server.gate import JUPYTER_USER


async def owners(handler: UmlHandler) -> list[str]:
    """Ids of principals: one's own. Who may run code in this server's kernels may read the answers of kernels, too;
    they are Jupyter's user, whatever the name of the person before them."""
    own = [handler.principal.id]
    if not handler.principal.by_key and handler.principal.id != JUPYTER_USER.id:
        allowed = handler.authorizer.is_authorized(handler, handler.current_user, "execute", "kernels")
        own += [JUPYTER_USER.id] if await ensure_async(allowed) else []
    return own
