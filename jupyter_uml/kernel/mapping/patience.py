"""Which errors are worth another try, after how long, and which ones concern all rows. Seconds throughout. Pure."""

from __future__ import annotations

from jupyter_uml.errors import (
    ConnectionFailed,
    ContextLengthExceeded,
    EngineError,
    GenerationAborted,
    InvalidRequest,
    ModelRestarting,
    PayloadTooLarge,
    StreamInterrupted,
    TimedOut,
    UmlError,
    WorkerDied,
)

TRIES = 8  # of a row that the server wants to be sent again later
FEW_TRIES = 3  # of one whose connection or engine was lost
BACK_OFF = 0.5  # before the second try; doubles

_LOST = (ConnectionFailed, StreamInterrupted, GenerationAborted, ModelRestarting)
_OF_THE_ROW = (
    ContextLengthExceeded,
    PayloadTooLarge,
    EngineError,
    WorkerDied,
    StreamInterrupted,
    GenerationAborted,
    TimedOut,
)


def delay(error: UmlError, attempt: int) -> float | None:
    """How long to wait after failed attempt number `attempt` (from 0) at a row; None: give up."""
    if isinstance(error, WorkerDied) and attempt:
        return None  # the row itself may be what ends the model's process, and everybody's answers with it
    if error.retry_after is not None and attempt + 1 < TRIES:
        return max(error.retry_after, BACK_OFF)
    if isinstance(error, (*_LOST, WorkerDied)) and attempt + 1 < FEW_TRIES:
        return BACK_OFF * (1 << attempt)
    return None


def of_the_row(error: UmlError) -> bool:
    """Whether other rows may fare better: it is about this one's text, or what happened to its answer."""
    if isinstance(error, _OF_THE_ROW):
        return True
    about = (error.param or "").split(".")[0]
    return isinstance(error, InvalidRequest) and about in ("messages", "prompt")
