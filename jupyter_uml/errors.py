"""Everything that can go wrong, as one tree. No HTTP in it: `protocol/statuses.py` maps these to status codes.

An error crosses two borders, the worker's pipe and HTTP, in the same form: the `error` object of OpenAI's API
(`message`, `type`, `param`, `code`) plus the figures in `details`. `to_dict` and `from_dict` are each other's inverse.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, ClassVar, Self

from jupyter_uml.cell_traceback import cell_traceback

Detail = str | int | float | bool | None


class UmlError(Exception):
    """Root of the tree. `message` tells a person what to do and never holds a path, an address or a prompt."""

    code: ClassVar[str] = "internal_error"
    kind: ClassVar[str] = "server_error"

    _by_code: ClassVar[dict[str, type[UmlError]]] = {}

    def __init_subclass__(cls) -> None:
        # A class that states no code of its own shares its parent's, and the parent is what it is read back as.
        if "code" in cls.__dict__:
            UmlError._by_code[cls.code] = cls

    def __init__(self, message: str, *, param: str | None = None, **details: Detail) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.details = details

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the same request may succeed; None where repeating it is pointless."""
        value = self.details.get("retry_after")
        return float(value) if isinstance(value, int | float) else None

    def to_dict(self) -> dict[str, Detail]:
        return {"message": self.message, "type": self.kind, "param": self.param, "code": self.code, **self.details}

    def copy(self) -> UmlError:
        """A new error that says the same. One object raised again and again would collect everybody's traceback."""
        return self._restore(self.message, self.param, dict(self.details))

    def _render_traceback_(self) -> list[str]:  # IPython asks for it
        return cell_traceback(self, self.copy())

    @staticmethod
    def from_dict(body: dict[str, Any]) -> UmlError:
        """The error that `body` describes; an unknown code gives a plain `UmlError` that keeps it in `details`."""
        fields = {k: v for k, v in body.items() if k not in ("message", "type", "param", "code")}
        code = body.get("code")
        cls = UmlError._by_code.get(str(code), UmlError)
        if cls is UmlError and code not in (None, UmlError.code):
            fields["reported_code"] = code
        return cls._restore(str(body.get("message") or "unknown error"), body.get("param"), fields)

    @classmethod
    def _restore(cls, message: str, param: str | None, details: dict[str, Detail]) -> Self:
        error = cls.__new__(cls)
        UmlError.__init__(error, message, param=param, **details)
        return error


# --- the request is at fault -----------------------------------------------------------------


class InvalidRequest(UmlError):
    """A field is missing, of the wrong type or out of bounds; `param` names it."""

    code = "invalid_value"
    kind = "invalid_request_error"


class ContextLengthExceeded(InvalidRequest):
    """The prompt does not fit the context. Prompts are never cut silently."""

    code = "context_length_exceeded"

    def __init__(
        self, prompt_tokens: int, context_tokens: int, param: str = "messages", trained_tokens: int | None = None
    ) -> None:
        more = f", or load the model with a larger n_ctx (up to {trained_tokens})" if trained_tokens else ""
        super().__init__(
            f"The prompt has {prompt_tokens} tokens and the model's context holds {context_tokens}, of which one must "
            f"be left for the answer. Shorten the prompt{more}.",
            param=param,
            prompt_tokens=prompt_tokens,
            context_tokens=context_tokens,
        )


class PayloadTooLarge(InvalidRequest):
    code = "payload_too_large"


class RouteNotFound(InvalidRequest):
    code = "route_not_found"


class MethodNotAllowed(InvalidRequest):
    code = "method_not_allowed"


class ResponseNotFound(InvalidRequest):
    """A stored answer that never was, has been deleted or had to make room."""

    code = "response_not_found"


class PreviousResponseNotFound(InvalidRequest):
    """The same, where a request goes on from it."""

    code = "previous_response_not_found"


class GenerationNotFound(InvalidRequest):
    """It never was, it was somebody else's, or it has been forgotten."""

    code = "generation_not_found"


class GenerationConflict(UmlError):
    """Another generation has this id."""

    code = "generation_conflict"
    kind = "conflict_error"


class EventsForgotten(InvalidRequest):
    """The answer is longer than what is kept of it, and its beginning is asked for."""

    code = "events_forgotten"


class AuthenticationFailed(UmlError):
    code = "invalid_api_key"
    kind = "authentication_error"


class PermissionDenied(UmlError):
    """The credential is good but does not allow this."""

    code = "permission_denied"
    kind = "permission_error"


class RateLimited(UmlError):
    """A limit of the key or the user is used up; `limit` names it, `retry_after` says when there is room again."""

    code = "rate_limit_exceeded"
    kind = "rate_limit_error"


class KeyNotFound(UmlError):
    """No key has this id."""

    code = "key_not_found"
    kind = "invalid_request_error"


class RecordsUnavailable(UmlError):
    """What is done here must be recorded, as configured, and the disk does not take the records."""

    code = "records_unavailable"


# --- the model -------------------------------------------------------------------------------


class ModelNotFound(UmlError):
    code = "model_not_found"
    kind = "invalid_request_error"

    def __init__(self, model: str, known: list[str] | None = None) -> None:
        near = get_close_matches(model, known or [], 1)
        there = f" There is: {', '.join(known[:8])}." if known else " No model was found at all."
        there = f" Did you mean {near[0]}?" if near else there
        super().__init__(f"No model is called {model[:80]!r}.{there}", param="model")


class ProfileNotFound(UmlError):
    """No profile has this name."""

    code = "profile_not_found"
    kind = "invalid_request_error"


class ModelLoadFailed(UmlError):
    """The file is damaged or of a kind that llama.cpp cannot load."""

    code = "model_load_failed"
    kind = "invalid_request_error"


class InsufficientMemory(UmlError):
    code = "insufficient_memory"

    def __init__(self, model: str, needed_bytes: int, available_bytes: int) -> None:
        super().__init__(
            f"{model} needs {needed_bytes / 2**30:.2f} GiB of memory and {available_bytes / 2**30:.2f} GiB are free. "
            "Unload another model, or load this one with a smaller n_ctx.",
            needed_bytes=needed_bytes,
            available_bytes=available_bytes,
        )


class ModelBusy(UmlError):
    """The model is being unloaded, or is in use where it would have to be idle."""

    code = "model_busy"
    kind = "conflict_error"


class NoModelLoaded(UmlError):
    """None was named, and none that could be meant is loaded."""

    code = "no_model_loaded"
    kind = "conflict_error"


# --- the hub, from which models are pulled ----------------------------------------------------


class RepositoryNotFound(UmlError):
    """The hub knows no such repository, revision or file, or does not show it to this user."""

    code = "repository_not_found"
    kind = "invalid_request_error"


class HubAccessDenied(UmlError):
    """The hub wants a token, another token, or conditions to be accepted."""

    code = "hub_access_denied"
    kind = "permission_error"


class NothingToPull(UmlError):
    """The repository is there, but nothing in it is what was asked for, or more than one thing is."""

    code = "nothing_to_pull"
    kind = "invalid_request_error"


class HubUnavailable(UmlError):
    """The hub cannot be reached, is overloaded or wants fewer requests; `retry_after` says when to ask again."""

    code = "hub_unavailable"
    kind = "connection_error"


class DownloadFailed(UmlError):
    """The file that came is not the one that was announced, or it could not be written."""

    code = "download_failed"


class PullCancelled(UmlError):
    """Somebody asked for the pull to be ended. What had come is kept: the next pull goes on from there."""

    code = "pull_cancelled"
    kind = "conflict_error"


class PullNotFound(UmlError):
    code = "pull_not_found"
    kind = "invalid_request_error"


class InsufficientDisk(UmlError):
    """There is no room for what is to come, or there was none when it came."""

    code = "insufficient_disk"


# --- the engine ------------------------------------------------------------------------------


class WorkerDied(UmlError):
    """The worker process ended in the middle of a request."""

    code = "worker_died"


class ModelRestarting(UmlError):
    """The worker died and is not back yet; `retry_after` says when to ask again."""

    code = "model_restarting"
    kind = "overloaded_error"


class Overloaded(UmlError):
    """The queue is full; `retry_after` says when to ask again."""

    code = "overloaded"
    kind = "overloaded_error"


class GenerationAborted(UmlError):
    """The generation was ended from outside: the model was unloaded by force, or the server is stopping."""

    code = "generation_aborted"


class GenerationStopped(UmlError):
    """Somebody stopped the answer. To ask again is for people to decide, not for programs."""

    code = "generation_stopped"


class EngineError(UmlError):
    """llama.cpp refused a batch; the request is lost, the worker lives on."""

    code = "engine_error"


# --- the client ------------------------------------------------------------------------------


class ConnectionFailed(UmlError):
    """No server answered."""

    code = "connection_failed"
    kind = "connection_error"


class StreamInterrupted(UmlError):
    """A stream ended without its final event: what came is kept, but it is not a whole answer."""

    code = "stream_interrupted"
    kind = "connection_error"


class TimedOut(UmlError, TimeoutError):
    """A call took longer than its `timeout`, which `seconds` says. What it had begun has been stopped."""

    code = "timed_out"
    kind = "timeout_error"


class UnparsableAnswer(UmlError):
    """An answer is not of the form that was asked for: it was cut before its end, or calls tools instead."""

    code = "unparsable_answer"
