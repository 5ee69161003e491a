"""Kept answers of `v1/responses`: read one, delete it, list what it was made from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jupyter_uml.protocol.responses.endpoint import RESPONSES
from jupyter_uml.protocol.responses.queries import KeptQuery, ListQuery, Query, ReadQuery, page, read_query
from jupyter_uml.server.base import UmlHandler


class _KeptHandler(UmlHandler):
    """Whoever may make answers may read and delete his own."""

    scope = "infer"

    def query(self, model: type[Query]) -> Query:
        names = [name for name in self.request.query_arguments if name != "token"]  # Jupyter's credential
        return read_query(model, {name: self.get_query_arguments(name) for name in names})

    @asynccontextmanager
    async def recorded(self) -> AsyncIterator[None]:
        """One request, as making an answer is: megabytes may have to be read for it."""
        async with self.gate.enter(self.principal, self.request_id, self.route) as passage:
            passage.count()
            yield


class ResponseHandler(_KeptHandler):
    async def get(self, response_id: str) -> None:
        async with self.recorded():
            self.query(ReadQuery)
            answer = RESPONSES.retrieve(self.service, self.principal.id, response_id)
        self.write_json(answer)

    async def delete(self, response_id: str) -> None:
        async with self.recorded():
            self.query(KeptQuery)
            answer = RESPONSES.delete(self.service, self.principal.id, response_id)
        self.write_json(answer)


class InputItemsHandler(_KeptHandler):
    async def get(self, response_id: str) -> None:
        async with self.recorded():
            query = self.query(ListQuery)
            answer = page(RESPONSES.input_items(self.service, self.principal.id, response_id), query)
        self.write_json(answer)


_ID = r"v1/responses/(?!input_tokens$)([A-Za-z0-9_-]{1,64})"
RESPONSE_ROUTES: list[tuple[str, type[UmlHandler]]] = [
    (_ID, ResponseHandler),
    (f"{_ID}/input_items", InputItemsHandler),
]
