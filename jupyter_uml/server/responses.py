"""Kept answers of `v1/responses`: read one, delete it, list what it was made from."""

from __future__ import annotations

from jupyter_uml.protocol.responses.endpoint import RESPONSES
from jupyter_uml.protocol.responses.queries import KeptQuery, ListQuery, Query, ReadQuery, page, read_query
from jupyter_uml.server.base import UmlHandler


class _KeptHandler(UmlHandler):
    """Whoever may make answers may read and delete his own."""

    scope = "infer"

    def query(self, model: type[Query]) -> Query:
        names = [name for name in self.request.query_arguments if name != "token"]  # Jupyter's credential
        return read_query(model, {name: self.get_query_arguments(name) for name in names})


class ResponseHandler(_KeptHandler):
    async def get(self, response_id: str) -> None:
        self.query(ReadQuery)
        self.write_json(RESPONSES.retrieve(self.service, self.principal.name, response_id))

    async def delete(self, response_id: str) -> None:
        self.query(KeptQuery)
        self.write_json(RESPONSES.delete(self.service, self.principal.name, response_id))


class InputItemsHandler(_KeptHandler):
    async def get(self, response_id: str) -> None:
        query = self.query(ListQuery)
        self.write_json(page(RESPONSES.input_items(self.service, self.principal.name, response_id), query))


_ID = r"v1/responses/(?!input_tokens$)([A-Za-z0-9_-]{1,64})"
RESPONSE_ROUTES: list[tuple[str, type[UmlHandler]]] = [
    (_ID, ResponseHandler),
    (f"{_ID}/input_items", InputItemsHandler),
]
