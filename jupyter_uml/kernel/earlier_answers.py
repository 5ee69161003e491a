"""What a panel's cell was answered before, as far as it is kept."""

from __future__ import annotations

from jupyter_uml.client import AsyncUniversalClient
from jupyter_uml.client.discover import own_kernel_id
from jupyter_uml.types import GenerationStatus


async def earlier_answers(client: AsyncUniversalClient, cell: str | None) -> list[GenerationStatus]:
    """Of the panels of this cell, the oldest first; none where the frontend does not tell which cell it is.

    What failed is left out, but for the last one: it has been asked again, or given up.

    Raises:
        UmlError: nobody can be asked.
    """
    if cell is None:
        return []
    rows = await client.generations(own_kernel_id())
    own = sorted((row for row in rows if row.kind == "panel" and row.cell == cell), key=lambda row: row.created)
    return [row for row in own if row.state != "failed" or row is own[-1]]
