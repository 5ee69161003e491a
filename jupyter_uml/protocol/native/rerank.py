"""`v1/rerank` and `v2/rerank`: documents in the order in which they answer a query, in the shape of Cohere and Jina."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field

from jupyter_uml.protocol.body import ModelBody, StrictBody
from jupyter_uml.protocol.endpoint import Caller, Endpoint, Verbs
from jupyter_uml.protocol.openai.embeddings import Text, numbers, prompt_usage
from jupyter_uml.types import MAX_INPUTS, RankRequest


class Document(StrictBody):
    text: Text


class RerankBody(ModelBody):
    query: Text
    documents: Annotated[list[Text | Document], Field(min_length=1, max_length=MAX_INPUTS)]
    top_n: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool | None = None
    # Refused: documents are never cut, and each is one text.
    max_chunks_per_doc: None = None
    max_tokens_per_doc: None = None
    rank_fields: None = None
    truncation: None = None

    @property
    def texts(self) -> list[str]:
        return [each if isinstance(each, str) else each.text for each in self.documents]


class Rerank(Endpoint[RerankBody]):
    path = "v1/rerank"
    summary = "Order documents by how well they answer a query, by a reranking model."
    body = RerankBody

    async def whole(self, service: Verbs, body: RerankBody, caller: Caller) -> dict[str, Any]:
        texts = body.texts
        hold = caller.holding(body.keep_alive)
        rows = await service.compute(RankRequest(caller.request_id, body.model, body.query, tuple(texts), hold=hold))
        scores = [_score(row) for row in rows.values]
        best = sorted(range(len(texts)), key=lambda index: -scores[index])[: body.top_n]
        results: list[dict[str, Any]] = [{"index": i, "relevance_score": _share(rows.values[i])} for i in best]
        if body.return_documents:
            results = [{**result, "document": {"text": texts[result["index"]]}} for result in results]
        return {
            "id": f"rerank-{caller.request_id}",
            "object": "list",
            "model": body.model,
            "results": results,
            "usage": prompt_usage(rows.prompt_tokens),
        }


class RerankV2(Rerank):
    path = "v2/rerank"
    summary = "The same as v1/rerank, where newer programs look for it."


def _score(row: bytes) -> float:
    """Of several labels the first says that the document answers."""
    return numbers(row)[0]


def _share(row: bytes) -> float:
    """A number between 0 and 1: one label's score is a logit; of several, llama.cpp gives probabilities."""
    score = _score(row)
    if len(numbers(row)) > 1:
        return score
    return 1 / (1 + math.exp(-score)) if score > -700 else 0.0
