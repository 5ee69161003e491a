"""The worker process: one model, one engine. Started by the loader as `python -m jupyter_uml.worker`.

It says `Ready`, is told what to load, then drains its inbox, steps the engine and sends what came out, for ever. It
has no settings of its own. It ends when its stdin ends, which the kernel sees to however its parent dies.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeVar

from jupyter_uml import ipc, limits
from jupyter_uml.engine.build import signature
from jupyter_uml.engine.draft_model import DraftModel
from jupyter_uml.engine.drafting import Drafting
from jupyter_uml.engine.engine import Engine, Failure, Output
from jupyter_uml.engine.fingerprint import file_sha256, known_sha256
from jupyter_uml.engine.model import Model
from jupyter_uml.engine.purpose import check_writes
from jupyter_uml.engine.sampler import prepare
from jupyter_uml.engine.state_store import StateStore
from jupyter_uml.errors import EngineError, UmlError
from jupyter_uml.types import (
    Chunk,
    EffectiveSettings,
    GenerateRequest,
    Measured,
    MeasureRequest,
    ModelInfo,
    ModelSpec,
    PromptRequest,
    RenderedPrompt,
    Rows,
    Scores,
    Tokenized,
)

_QUIET_SECONDS = 1.0  # without a request before computed prompts are saved: it would slow a next one down
_LAST_WRITES_SECONDS = 1.2  # what the parent allows before it kills, less some
_PROGRESS_INTERVAL = 0.05  # seconds between two reports

T = TypeVar("T")


def main() -> None:
    inbound, outbound = _take_stdio()
    limits.settle()
    worker = Worker(outbound)
    threading.Thread(target=worker.read_inbox, args=(inbound,), name="inbox", daemon=True).start()
    worker.run()


class Worker:
    """The loop, and its inbox. `outbound` is a file descriptor."""

    def __init__(self, outbound: int) -> None:
        self._outbox = ipc.Outbox(outbound)
        self._inbox: queue.SimpleQueue[ipc.ToWorker | None] = queue.SimpleQueue()  # None: the parent has gone
        self._engine: Engine | None = None
        self._unsaved = True
        self._preparer = ThreadPoolExecutor(1, "preparer")
        self._viewer = ThreadPoolExecutor(1, "viewer")  # images take longer than grammars, which need not wait for them
        self._preparing: set[str] = set()  # requests whose grammar is compiled, whose images are looked at
        self._beats = 0  # moves while the worker comes on, beside those of llama.cpp's computing
        self._idle = self._resting = False

    def read_inbox(self, stream: BinaryIO) -> None:
        """Runs on a thread of its own: also in a long prefill the end of the parent ends this process at once."""
        try:
            while (body := ipc.read_frame(stream)) is not None:
                self._receive(ipc.decode_to_worker(body))
        except BaseException:  # without an inbox the worker would be deaf: better dead, and started again
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        if self._engine is None:  # it is still loading
            os._exit(0)
        self._inbox.put(None)  # the loop saves what is worth it, if it can do so at once
        time.sleep(_LAST_WRITES_SECONDS)
        os._exit(0)

    def _receive(self, message: ipc.ToWorker) -> None:
        engine = self._engine
        match message:
            case ipc.Ping():
                self._outbox.offer(self._pong())
            case ipc.Add(request) if _is_slow(request) and engine is not None:
                self._preparing.add(request.id)
                thread = self._viewer if _has_images(request) else self._preparer
                thread.submit(self._prepare, engine, message)
            case ipc.Abort(request_id) if self._taken(request_id):
                pass
            case ipc.Abort(request_id) if engine is not None:
                engine.interrupt(request_id)  # the loop may be deep in a prefill
                self._inbox.put(message)
            case _:
                self._pass_on(message)

    def _pass_on(self, message: ipc.ToWorker) -> None:
        self._inbox.put(message)
        if self._engine is not None:
            self._engine.hurry()

    def _prepare(self, engine: Engine, message: ipc.Add) -> None:
        """Compile a grammar, look at images: it may take seconds, and the loop goes on with everybody's answers."""
        request = message.request
        try:
            prepare(engine.model, engine.prompts.grammar(request))
            if _has_images(request):
                engine.sight.prepare(engine.prompts.build(request).images)
        except UmlError:
            pass  # the engine finds the same fault, and tells it
        except BaseException:  # the engine meets it, too, and ends the request
            traceback.print_exc()
        self._beats += 1
        if self._taken(request.id):
            self._pass_on(message)

    def _pong(self) -> ipc.Pong:
        engine = self._engine
        if engine is None:
            return ipc.Pong(self._beats, counted=False)
        if self._idle:
            return ipc.Pong(self._beats, counted=False) if self._preparing else ipc.Pong()
        pulse = engine.model.pulse
        return ipc.Pong(self._beats + pulse.beats, counted=pulse.counts and not self._resting)

    def _taken(self, request_id: str) -> bool:
        """Whether the request is still being prepared; of two threads that ask, one gets it."""
        try:
            self._preparing.remove(request_id)
        except KeyError:
            return False
        return True

    def run(self) -> None:
        self._outbox.send(ipc.Ready(ipc.PROTOCOL, os.getpid(), f"llama-cpp-python {version('llama-cpp-python')}"))
        engine = self._load()
        while True:
            outputs = self._drain(engine)
            outputs += engine.step()
            if outputs:
                self._outbox.send(_step_message(outputs))
            self._beats += 1

    def _load(self) -> Engine:
        message = self._inbox.get()
        if message is None:
            os._exit(0)
        assert isinstance(message, ipc.Load)
        try:
            limits.limit_memory(message.spec)
            model = Model(message.spec, _Throttled(self._progress))
            settings = model.settings(message.spec.settings)
            self._engine = engine = _engine(model, settings)  # before anybody can ask it
        except UmlError as error:
            self._outbox.send(ipc.LoadFailed(error.to_dict()))
            sys.exit(0)
        self._outbox.send(ipc.Loaded(_identified(engine), engine.settings))
        return engine

    def _drain(self, engine: Engine) -> list[Output]:
        """Take every message there is; wait for one where the engine has nothing to do."""
        outputs: list[Output] = []
        while True:
            try:
                self._idle = idle = not engine.busy and not outputs
                message = self._inbox.get(block=idle, timeout=_QUIET_SECONDS if idle and self._unsaved else None)
            except queue.Empty:
                if not idle:
                    self._unsaved = True
                    return outputs
                self._rest(engine)
                continue
            finally:
                self._idle = False
            if message is None:
                _exit(engine)
            outputs += _handle(engine, message)

    def _rest(self, engine: Engine) -> None:
        self._idle, self._resting = False, True
        self._unsaved = engine.rest()
        self._resting = False

    def _progress(self, fraction: float) -> None:
        self._beats += 1
        self._outbox.send(ipc.Progress(fraction))


def _exit(engine: Engine) -> NoReturn:
    if not engine.busy:
        while engine.rest():
            pass
        engine.save(_LAST_WRITES_SECONDS)
    os._exit(0)


def _handle(engine: Engine, message: ipc.ToWorker) -> list[Output]:
    match message:
        case ipc.Add(request):
            return _told(request.id, lambda: _add(engine, request))
        case ipc.Render(asked):
            return _told(asked.id, lambda: _render(engine, asked))
        case ipc.Embed(task) | ipc.Rank(task) | ipc.Score(task) | ipc.Tokenize(task):
            engine.side.add(task)
        case ipc.Measure(wanted):
            return _told(wanted.id, lambda: _measure(engine, wanted))
        case ipc.Abort(request_id):
            return engine.abort(request_id)
        case ipc.Load():
            sys.exit("a worker loads one model in its life")
    return []


def _is_slow(request: GenerateRequest) -> bool:
    """Something about it takes long before its first token can be computed."""
    return request.params.grammar is not None or bool(request.tools) or _has_images(request)


def _has_images(request: GenerateRequest) -> bool:
    return any(message.images for message in request.messages)


def _told(request_id: str, work: Callable[[], list[Output]]) -> list[Output]:
    """What `work` gives, or why it gives nothing."""
    try:
        return work()
    except UmlError as error:
        return [Failure(request_id, error.copy())]  # without its traceback, which would hold all that was asked
    except Exception:  # a fault of ours in one request must not end all the others
        traceback.print_exc()
        return [Failure(request_id, EngineError("The request could not be prepared. The log says why."))]


def _add(engine: Engine, request: GenerateRequest) -> list[Output]:
    check_writes(engine.model)
    engine.add(request)
    return []


def _measure(engine: Engine, request: MeasureRequest) -> list[Output]:
    check_writes(engine.model)
    engine.bench.begin(request)
    return []


def _render(engine: Engine, request: PromptRequest) -> list[Output]:
    tokens = tuple(engine.prompts.build(request.request).tokens)
    words = [token for token in tokens if token >= 0]  # the others stand for images
    return [RenderedPrompt(request.id, tokens, engine.side.text(words))]


def _engine(model: Model, settings: EffectiveSettings) -> Engine:
    spec = model.spec
    engine = Engine(model, settings, _store(spec, settings), spec.cache.worth_seconds)
    if spec.draft_path is not None:
        engine.drafting = Drafting(DraftModel(spec.draft_path, model, settings))
    return engine


def _identified(engine: Engine) -> ModelInfo:
    """With what it takes to know later whether the same would be computed."""
    spec, whole = engine.model.spec, int(engine.model.metadata("split.count") or 0) <= 1
    folder = Path(spec.cache.folder) if spec.cache.folder else None
    sha256 = None
    with suppress(OSError):  # gone, or replaced, since it was opened
        sha256 = known_sha256(Path(spec.path), folder) if whole else None
    return replace(engine.info, sha256=sha256, engine=signature())


def _store(spec: ModelSpec, settings: EffectiveSettings) -> StateStore:
    """Saved states belong to what computed them: file, adapters, build and types."""
    cache = spec.cache
    folder = Path(cache.folder) if cache.folder else None
    store = StateStore(cache.ram_bytes, folder, cache.disk_bytes)
    if folder is not None:
        build = f"{version('llama-cpp-python')} {settings.kv_type} {settings.n_gpu_layers > 0}"
        files = [(Path(spec.path), 1.0), *((Path(file.path), file.scale) for file in spec.lora)]
        store.open(lambda: " ".join([build, *(f"{file_sha256(path, folder)} {scale}" for path, scale in files)]))
    return store


def _step_message(outputs: list[Output]) -> ipc.Step:
    def of(kind: type[T]) -> list[T]:
        return [output for output in outputs if isinstance(output, kind)]

    failed = [ipc.Failed(failure.request_id, failure.error.to_dict()) for failure in of(Failure)]
    return ipc.Step(of(Chunk), failed, of(Rows), of(Scores), of(Tokenized), of(RenderedPrompt), of(Measured))


class _Throttled:
    """Sends load progress a few times a second: llama.cpp reports every tensor."""

    def __init__(self, send: Callable[[float], None]) -> None:
        self._send, self._last = send, 0.0

    def __call__(self, fraction: float) -> None:
        now = time.monotonic()
        if now - self._last >= _PROGRESS_INTERVAL:
            self._last = now
            self._send(fraction)


def _take_stdio() -> tuple[BinaryIO, int]:
    """Keep stdin and stdout for the protocol; from here on, whatever prints goes to stderr."""
    inbound = os.fdopen(os.dup(0), "rb")
    outbound = os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return inbound, outbound


if __name__ == "__main__":
    main()
