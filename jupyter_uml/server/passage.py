"""One request's way through the gate: what it may use, what it used, and the record of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self, TypeVar

from jupyter_uml.access import Lease, Principal, Reservation, UsageRecord, prompt_text, prompt_tokens
from jupyter_uml.errors import InvalidRequest, UmlError
from jupyter_uml.live import Run
from jupyter_uml.live.run import Stop
from jupyter_uml.protocol.statuses import status_of
from jupyter_uml.server.stream import ClientGoneError
from jupyter_uml.service import Service
from jupyter_uml.types import Chunk, GenerateRequest, GenerationLabel, ModelStatus, SideRequest, Usage

if TYPE_CHECKING:
    from jupyter_uml.server.gate import Gate

_GUESSED_TOO_HIGH = 4  # times, at most: a token has twelve bytes hardly ever
CLIENT_GONE = 499  # as nginx has it: nobody was there any more to be answered

R = TypeVar("R")


class Passage:
    """What an endpoint is given in the service's place (`Verbs`): the same, with its limits, and counted."""

    def __init__(
        self, gate: Gate, principal: Principal, request_id: str, route: str, label: GenerationLabel | None = None
    ) -> None:
        self._gate, self._service, self.principal = gate, gate.service, principal
        self._request_id, self._route, self._label = request_id, route, label
        self._time, self._began = time.time(), time.monotonic()
        self._lease: Lease | None = None
        self._reserved = self._asked = self._written = 0  # tokens: reserved, of prompts as guessed, of answers
        self._most: int | None = None  # of them in a minute
        self._model, self._prompts = "", list[str]()
        self._meters: list[Meter] = []
        self._first_token: float | None = None
        self._ended = False
        self._run: Run | None = None

    @property
    def model_id(self) -> str:
        """The id of the model that is asked; empty: there is none of that name, or none has been asked yet."""
        return self._model

    # --- let in, and out ---

    async def admit(self, model: str) -> None:
        """Count it as one request that is being answered. `model`: empty where it is chosen later.

        Raises:
            PermissionDenied: this model may not be used.
            RateLimited: a limit is reached.
            RecordsUnavailable: it could not be recorded, and has to be.
        """
        self._model = await self._gate.check_model(self.principal, model) if model else ""
        self.count()
        who, name = self.principal.id, self.principal.name
        self._run = self._gate.running.enter(
            self._request_id, self._model or model, who, name, self._route, self._label
        )

    def count(self) -> None:
        """The same for what needs no model.

        Raises:
            RateLimited, RecordsUnavailable: as `admit`.
        """
        self._gate.usage.check()
        self._lease = self._gate.limiter.admit(self._gate.account(self.principal))

    @property
    def error(self) -> UmlError | None:
        """Why one of its sequences failed, also where the answer says so by itself."""
        return next((meter.error for meter in self._meters if meter.error is not None), None)

    async def end(self, error: BaseException | None = None) -> None:
        """It is over, by `error` or well. Returns when the record is on the disk; only the first call counts.

        Raises:
            RecordsUnavailable: it is not, and an answer without a record must not be given.
        """
        if self._ended:
            return
        self._ended = True
        if self._lease is not None:
            self._lease.close()
        if self._run is not None:
            self._gate.running.leave(self._run)
        error = error or self.error
        await self._gate.record(self._record(error), acknowledged=error is None)

    def headers(self) -> dict[str, str]:
        """Where the principal stands, this request counted."""
        return self._gate.limit_headers(self.principal)

    def _record(self, error: BaseException | None) -> UsageRecord:
        taken = [meter.taken() for meter in self._meters]
        return UsageRecord(
            time=self._time,
            request_id=self._request_id,
            principal_id=self.principal.id,
            principal_name=self.principal.name,
            route=self._route,
            model=self._model,
            status=status_at_end(error),
            error=_code(error),
            tokens_in=sum(usage.prompt_tokens for usage in taken),
            tokens_out=sum(usage.completion_tokens for usage in taken),
            tokens_cached=sum(usage.cached_tokens for usage in taken),
            duration=time.monotonic() - self._began,
            first_token=self._first_token,
            prompt="\n".join(self._prompts) if self._prompts else None,
        )

    # --- the verbs ---

    @property
    def origin(self) -> Service:
        return self._service

    async def model(self, model_id: str) -> ModelStatus:
        await self._gate.check_model(self.principal, model_id)
        return await self._service.model(model_id)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        """As the service.

        Raises:
            PermissionDenied: this model may not be used.
            RateLimited, InvalidRequest: the limit of tokens, which also ends answers for which no length was asked.
        """
        with await self._metered(request) as meter:
            async with aclosing(self._shown(request, self._service.generate(request))) as chunks:
                async for chunk in chunks:
                    if chunk.tokens and self._first_token is None:
                        self._first_token = time.monotonic() - self._began
                    meter.add(chunk)
                    self._count_written(chunk)
                    yield chunk

    async def compute(self, request: SideRequest[R]) -> R:
        """As the service.

        Raises:
            PermissionDenied, RateLimited, InvalidRequest: as `generate`.
        """
        with await self._metered(request) as meter:
            computing = self._service.compute(request, self.principal.id)
            result = await (computing if self._run is None else self._run.result(computing))
            meter.usage = Usage(prompt_tokens=int(getattr(result, "prompt_tokens", 0)))
            return result

    def _shown(self, request: GenerateRequest, chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[Chunk, None]:
        """To those who look what is running, and may stop it."""
        return chunks if self._run is None else self._run.chunks(request, chunks)

    def stop_by(self, stop: Stop) -> None:
        """How it is stopped from outside, where that is more than ending what the model does for it."""
        if self._run is not None:
            self._run.stop_by = stop

    async def _metered(self, request: GenerateRequest | SideRequest[Any]) -> Meter:
        self._model = await self._gate.check_model(self.principal, request.model)
        if self._gate.keep_prompts:
            self._prompts.append(prompt_text(request))
        meter = Meter(prompt_tokens(request), self._reserve(request))
        self._meters.append(meter)
        return meter

    def _reserve(self, request: GenerateRequest | SideRequest[Any]) -> Reservation | None:
        """
        Raises:
            RateLimited, InvalidRequest: as `Limiter.reserve`.
        """
        most = self._gate.limiter.limits_of(self._gate.account(self.principal)).tokens_per_minute
        if most is None or self._lease is None:
            return None
        self._most = most
        tokens = self._tokens(request, most)
        reserved = self._lease.reserve(tokens)
        self._reserved += tokens
        return reserved

    def _tokens(self, request: GenerateRequest | SideRequest[Any], most: int) -> int:
        """What it may take, of `most` for the whole request. How long a prompt is has been guessed: it is too much only
        where that is sure."""
        self._asked += prompt_tokens(request)
        if self._asked > most * _GUESSED_TOO_HIGH:
            return self._asked
        answer = request.params.max_tokens if isinstance(request, GenerateRequest) else 0
        if answer is not None and self._reserved + answer > most:
            return self._reserved + answer
        if answer is None:
            settings = self._service.loader.status(request.model).settings
            answer = settings.n_ctx if settings else most
        return min(prompt_tokens(request) + answer, most - self._reserved)

    def _count_written(self, chunk: Chunk) -> None:
        """
        Raises:
            InvalidRequest: all its sequences together have written more than is allowed in a minute, which waiting
                does not change.
        """
        self._written += chunk.tokens
        if self._most is not None and self._written > self._most and chunk.usage is None:
            raise InvalidRequest(
                f"The answer is longer than the {self._most} tokens that are allowed in a minute. Ask for fewer by "
                "max_tokens.",
                param="max_tokens",
            )


class Meter:
    """What one sequence, or one thing computed, takes. A context manager, after which it is settled."""

    def __init__(self, prompt_tokens: int, reservation: Reservation | None) -> None:
        """`prompt_tokens`: a guess, which counts for an answer that is broken off."""
        self._prompt_tokens, self._reservation = prompt_tokens, reservation
        self._written = 0
        self.usage: Usage | None = None
        self.error: UmlError | None = None

    def add(self, chunk: Chunk) -> None:
        self._written += chunk.tokens
        if chunk.usage is not None:
            self.usage = chunk.usage
            self._settle()  # whoever has the last chunk may ask again at once

    def taken(self) -> Usage:
        """Nothing, where no token was computed."""
        if self.usage is not None:
            return self.usage
        return Usage(self._prompt_tokens, self._written) if self._written else Usage()

    def _settle(self) -> None:
        if self._reservation is not None:
            self._reservation.settle(self.taken().total_tokens)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, UmlError):
            self.error = error.copy()  # without its traceback, which would hold all that was asked
        if self._reservation is not None and self.usage is None and status_at_end(error) == CLIENT_GONE:
            self._reservation.settle(self._prompt_tokens + self._written)  # it may have been read before a first token
        else:
            self._settle()


def status_at_end(error: BaseException | None) -> int:
    """The status of the answer; of one that nobody waited for any more, 499."""
    match error:
        case None:
            return HTTPStatus.OK
        case UmlError():
            return status_of(error)
        case ClientGoneError() | asyncio.CancelledError() | GeneratorExit():
            return CLIENT_GONE
        case _:
            return HTTPStatus.INTERNAL_SERVER_ERROR


def _code(error: BaseException | None) -> str | None:
    if error is None:
        return None
    if isinstance(error, UmlError):
        return error.code
    return "client_gone" if status_at_end(error) == CLIENT_GONE else UmlError.code
