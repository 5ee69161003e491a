"""What models do beside answering: vectors of texts, documents in order, tokens."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from jupyter_uml.client.arguments import (
    Choice,
    Conversation,
    KeepAlive,
    to_hold,
    to_messages,
    to_request,
    to_tool_fields,
)
from jupyter_uml.client.calls import share_docstrings
from jupyter_uml.client.models import AsyncModels, Models
from jupyter_uml.client.request_body import request_body
from jupyter_uml.client.side_results import (
    Embeddings,
    Prompt,
    Ranking,
    Tokens,
    embeddings_from,
    joined,
    prompt_from,
    ranking_from,
    text_from,
    tokens_from,
)
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import MAX_INPUTS, Pooling

if TYPE_CHECKING:
    from jupyter_uml.client.tools import Offer

Use = Literal["embed", "rerank"]


class AsyncSideWork(AsyncModels):
    """A part of the client."""

    _made_for: dict[Use, str]  # the models last used so

    async def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        pooling: Pooling | None = None,
        normalize: bool = True,
        keep_alive: KeepAlive | None = None,
        timeout: float | None = None,
    ) -> Embeddings:
        """A vector for each text; vectors are near each other where texts mean the same. One text is a list of one.

        `model`: None is the one last used for this, else a loaded one made for it, else as always. `dimensions`: only
        the first ones, for models trained so. `pooling`: how the vectors of a text's tokens become one, "mean", "cls"
        or "last"; None: as the model's file says. `normalize`: to length 1, so that a dot product is the cosine.
        There may be any number of texts; many are sent in parts.
        """
        given = [texts] if isinstance(texts, str) else list(texts)
        if not given:
            raise InvalidRequest("There is nothing to embed.", param="texts")
        async with self._limit(timeout):
            fields = {"dimensions": dimensions, "pooling": pooling, "normalize": normalize, "encoding_format": "base64"}
            asked = await self._asked_of(model, "embed", keep_alive, fields)
            parts = [given[start : start + MAX_INPUTS] for start in range(0, len(given), MAX_INPUTS)]
            return joined([embeddings_from(await self._whole("v1/embeddings", asked | {"input": p})) for p in parts])

    async def rerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        model: str | None = None,
        keep_alive: KeepAlive | None = None,
        timeout: float | None = None,
    ) -> Ranking:
        """The documents in the order in which they answer the query, best first, by a reranking model. `top_n`: only
        so many. `model`: as for `embed`."""
        given = list(documents)
        async with self._limit(timeout):
            asked = await self._asked_of(model, "rerank", keep_alive, {"top_n": top_n})
            body = await self._whole("v1/rerank", asked | {"query": query, "documents": given})
        return ranking_from(body, given)

    async def tokenize(
        self,
        text: str,
        *,
        model: str | None = None,
        add_special: bool = True,
        parse_special: bool = True,
        keep_alive: KeepAlive | None = None,
        timeout: float | None = None,
    ) -> Tokens:
        """The tokens of a text. `add_special`: also those that the model wants around every text; `parse_special`:
        names of control tokens in it are these tokens."""
        fields = {"add_special": add_special, "parse_special": parse_special, "with_pieces": True}
        async with self._limit(timeout):
            asked = await self._asked_of(model, None, keep_alive, fields)
            return tokens_from(await self._whole("tokenize", asked | {"content": text}))

    async def detokenize(
        self,
        tokens: Sequence[int],
        *,
        model: str | None = None,
        keep_alive: KeepAlive | None = None,
        timeout: float | None = None,
    ) -> str:
        """The text of tokens; control tokens are written out, half characters as �."""
        async with self._limit(timeout):
            asked = await self._asked_of(model, None, keep_alive, {"tokens": list(tokens)})
            return text_from(await self._whole("detokenize", asked))

    async def prompt(
        self,
        messages: Conversation,
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Sequence[Offer] = (),
        tool_choice: Choice = "auto",
        timeout: float | None = None,
        **options: Any,
    ) -> Prompt:
        """What `chat` would send the model for the same arguments, as text and as tokens; nothing is generated."""
        content = {"messages": to_messages(messages, system), **to_tool_fields(tools, tool_choice)}
        async with self._limit(timeout):
            name = model or await self.default_model()
            request = to_request(uuid.uuid4().hex, name, options, **content)
            return prompt_from(await self._whole("apply-template", request_body(request)))

    async def _whole(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await (await self.transport()).whole(path, body)

    async def _asked_of(
        self, model: str | None, use: Use | None, keep_alive: KeepAlive | None, fields: dict[str, Any]
    ) -> dict[str, Any]:
        """The fields of a body that are given, and the model's."""
        hold = to_hold(keep_alive)
        name = model or (await self._default_for(use) if use else await self.default_model())
        if use:
            self._made_for[use] = name
        asked = {"model": name, "keep_alive": hold.keep_alive, **fields}
        return {name: value for name, value in asked.items() if value is not None}

    async def _default_for(self, use: Use) -> str:
        if use in self._made_for:
            return self._made_for[use]
        for row in await self.models():
            pooling = row.info.pooling if row.info and row.state == "loaded" else None
            if pooling is not None and (pooling == "rank") == (use == "rerank"):
                return row.id
        return await self.default_model()


class SideWork(Models):
    """The same for synchronous code."""

    aio: AsyncSideWork

    def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        pooling: Pooling | None = None,
        normalize: bool = True,
        keep_alive: KeepAlive | None = None,
        timeout: float | None = None,
    ) -> Embeddings:
        how: dict[str, Any] = {"dimensions": dimensions, "pooling": pooling, "normalize": normalize}
        work = self.aio.embed(texts, model=model, keep_alive=keep_alive, timeout=timeout, **how)
        return self.background.run(work)

    def rerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        model: str | None = None,
        keep_alive: KeepAlive | None = None,
        timeout: float | None = None,
    ) -> Ranking:
        asked: dict[str, Any] = {"top_n": top_n, "model": model, "keep_alive": keep_alive, "timeout": timeout}
        return self.background.run(self.aio.rerank(query, documents, **asked))

    def tokenize(
        self,
        text: str,
        *,
        model: str | None = None,
        add_special: bool = True,
        parse_special: bool = True,
        keep_alive: KeepAlive | None = None,
        timeout: float | None = None,
    ) -> Tokens:
        how: dict[str, Any] = {"add_special": add_special, "parse_special": parse_special, "timeout": timeout}
        return self.background.run(self.aio.tokenize(text, model=model, keep_alive=keep_alive, **how))

    def detokenize(
        self,
        tokens: Sequence[int],
        *,
        model: str | None = None,
        keep_alive: KeepAlive | None = None,
        timeout: float | None = None,
    ) -> str:
        return self.background.run(self.aio.detokenize(tokens, model=model, keep_alive=keep_alive, timeout=timeout))

    def prompt(
        self,
        messages: Conversation,
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Sequence[Offer] = (),
        tool_choice: Choice = "auto",
        timeout: float | None = None,
        **options: Any,
    ) -> Prompt:
        asked: dict[str, Any] = {"system": system, "tools": tools, "tool_choice": tool_choice, "timeout": timeout}
        return self.background.run(self.aio.prompt(messages, model=model, **asked, **options))


share_docstrings(SideWork, AsyncSideWork)
