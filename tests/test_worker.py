"""The worker process by its pipe alone: handshake, death with its parent, prints that cannot corrupt the protocol."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uml import __version__, ipc
from jupyter_uml.demo import demo_model_path
from jupyter_uml.types import (
    Chunk,
    GenerateRequest,
    Grammar,
    LoadSettings,
    Message,
    ModelInfo,
    ModelSpec,
    PromptRequest,
    SamplingParams,
    ScoreRequest,
    TokenizeRequest,
    Usage,
)
from tests.conftest import endless_model, wait_until

COMMAND = [sys.executable, "-P", "-m", "jupyter_uml.worker"]


class Pipe:
    def __init__(self, environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )

    def send(self, message: ipc.ToWorker) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(ipc.encode(message))
        self.process.stdin.flush()

    def receive(self) -> ipc.FromWorker | None:
        stdout: BinaryIO = self.process.stdout  # type: ignore[assignment]
        body = ipc.read_frame(stdout)
        return None if body is None else ipc.decode_from_worker(body)

    def until(self, kind: type[ipc.Loaded] | type[ipc.LoadFailed]) -> ipc.FromWorker:
        while True:
            message = self.receive()
            assert message is not None
            if isinstance(message, kind):
                return message

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def load(pipe: Pipe, path: Path | None = None) -> None:
    assert isinstance(pipe.receive(), ipc.Ready)
    pipe.send(ipc.Load(ModelSpec("demo", str(path or demo_model_path()))))
    pipe.until(ipc.Loaded)


def test_it_says_what_answers_come_from(tmp_path: Path) -> None:
    """The file that was loaded, whatever takes its place; its template; what computes."""

    def loaded_info(content: bytes) -> ModelInfo:
        pipe = Pipe()
        try:
            (tmp_path / "model.gguf").write_bytes(content)
            assert isinstance(pipe.receive(), ipc.Ready)
            pipe.send(ipc.Load(ModelSpec("demo", str(tmp_path / "model.gguf"))))
            loaded = pipe.until(ipc.Loaded)
            assert isinstance(loaded, ipc.Loaded)
            return loaded.info
        finally:
            pipe.close()

    content = demo_model_path().read_bytes()
    other = content.replace(b"role == 'system'", b"role == 'sYstem'")
    info, changed = loaded_info(content), loaded_info(other)
    assert info.sha256 == hashlib.sha256(content).hexdigest()
    assert changed.sha256 == hashlib.sha256(other).hexdigest() != info.sha256
    assert info.template_sha256 != changed.template_sha256
    assert len(info.template_sha256 or "") == 64
    assert changed.engine == info.engine
    builds = f"llama-cpp-python {version('llama-cpp-python')}, jupyter_uml {__version__}, "
    assert (info.engine or "").startswith(builds)


def test_handshake_then_an_answer(pipe: Pipe) -> None:
    ready = pipe.receive()
    assert isinstance(ready, ipc.Ready)
    assert (ready.protocol, ready.pid) == (ipc.PROTOCOL, pipe.process.pid)
    pipe.send(ipc.Load(ModelSpec("demo", str(demo_model_path()))))
    loaded = pipe.until(ipc.Loaded)
    assert isinstance(loaded, ipc.Loaded)
    assert loaded.settings.n_ctx == 1024
    request = GenerateRequest("r", "demo", messages=(Message("user", "Hi"),), params=SamplingParams(max_tokens=3))
    pipe.send(ipc.Add(request))
    chunks: list[Chunk] = []
    while not chunks or chunks[-1].finish_reason is None:
        step = pipe.receive()
        assert isinstance(step, ipc.Step)
        chunks += step.chunks
    assert chunks[-1].usage is not None


def test_tokens_scores_and_prompts(pipe: Pipe) -> None:
    load(pipe)
    messages = (Message("user", "Hi"),)
    pipe.send(ipc.Render(PromptRequest("p", "demo", GenerateRequest("", "demo", messages=messages))))
    step = pipe.receive()
    assert isinstance(step, ipc.Step)
    (prompt,) = step.prompts
    pipe.send(ipc.Tokenize(TokenizeRequest("t", "demo", (prompt.text,))))
    step = pipe.receive()
    assert isinstance(step, ipc.Step)
    assert [read.tokens for read in step.tokenized] == [(prompt.tokens,)]
    pipe.send(ipc.Score(ScoreRequest("s", "demo", (prompt.tokens,), top=1)))
    step = pipe.receive()
    assert isinstance(step, ipc.Step)
    (scores,) = step.scores
    assert tuple(each.chosen.token for each in scores.logprobs[0]) == prompt.tokens[1:]


def test_a_prompt_that_cannot_be_made_ends_its_request_only(pipe: Pipe) -> None:
    load(pipe)
    for prompt, code in ((tuple([1] * 2000), "context_length_exceeded"), ("", "invalid_value")):
        pipe.send(ipc.Render(PromptRequest("p", "demo", GenerateRequest("", "demo", prompt=prompt))))
        step = pipe.receive()
        assert isinstance(step, ipc.Step)
        assert [(failed.request_id, failed.error["code"]) for failed in step.failed] == [("p", code)]


def test_a_word_without_end_does_not_exhaust_the_stack(pipe: Pipe, tmp_path: Path) -> None:
    # Bloom's words are found by a regular expression that recurses for each character.
    path, demo = tmp_path / "bloom.gguf", demo_model_path().read_bytes()
    path.write_bytes(demo.replace(struct.pack("<Q5s", 5, b"gpt-2"), struct.pack("<Q5s", 5, b"bloom")))
    assert path.read_bytes() != demo
    load(pipe, path)
    pipe.send(ipc.Tokenize(TokenizeRequest("t", "demo", ("a" * 200_000,))))
    step = pipe.receive()
    assert isinstance(step, ipc.Step)
    assert b"".join(step.tokenized[0].pieces[0]) == b"a" * 200_000


def beat(pipe: Pipe) -> ipc.Pong:
    """The next answer to a ping; whatever comes before it is passed over."""
    pipe.send(ipc.Ping())
    while not isinstance(message := pipe.receive(), ipc.Pong):
        assert message is not None
    return message


def test_a_ping_is_answered_by_what_it_does(pipe: Pipe, tmp_path: Path) -> None:
    assert isinstance(pipe.receive(), ipc.Ready)
    path = tmp_path / "endless.gguf"
    path.write_bytes(endless_model())
    pipe.send(ipc.Load(ModelSpec("m", str(path), LoadSettings(n_ctx=4096, n_parallel=1))))
    assert not beat(pipe).counted  # nothing counts how far a load is but its progress
    pipe.until(ipc.Loaded)
    wait_until(lambda: beat(pipe).beats is None)  # it has nothing to do
    prompt = tuple([100] * 4000)
    pipe.send(ipc.Add(GenerateRequest("r", "m", prompt=prompt, params=SamplingParams(max_tokens=50))))
    wait_until(lambda: beat(pipe).beats is not None)  # it has taken the request
    beats: list[int | None] = []

    def moves() -> bool:
        beats.append(beat(pipe).beats)
        return len(set(beats)) > 10

    wait_until(moves, 30)
    assert None not in beats, "it answers in the middle of a prefill"


def test_a_ping_never_waits_for_a_slow_reader() -> None:
    """The thread that answers must be free to hear of aborts and of the parent's end."""
    reading, writing = os.pipe()
    outbox = ipc.Outbox(writing)
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(1000))
    os.set_blocking(writing, True)
    outbox.offer(ipc.Pong(1))  # the pipe is full
    os.set_blocking(reading, False)
    with suppress(BlockingIOError):
        while os.read(reading, 1 << 20):
            pass
    outbox.offer(ipc.Pong(2))
    with open(reading, "rb", closefd=False) as stream:
        body = ipc.read_frame(stream)
    assert body is not None
    assert ipc.decode_from_worker(body) == ipc.Pong(2)
    os.close(reading)
    os.close(writing)


def test_it_ends_with_its_parents_pipe(pipe: Pipe) -> None:
    load(pipe)
    prompt = tuple([100] * 1000)
    pipe.send(ipc.Add(GenerateRequest("r", "demo", prompt=prompt, params=SamplingParams(temperature=2.0))))
    assert pipe.process.stdin is not None
    pipe.process.stdin.close()
    assert pipe.process.wait(2) == 0


def test_a_grammar_that_breaks_its_compiler_ends_its_request_only(pipe: Pipe) -> None:
    load(pipe)
    # Beyond Python's decimal module: an error in the thread that compiles.
    broken = Grammar("json_schema", '{"type": "number", "multipleOf": 1e99999999999999999999}')
    pipe.send(ipc.Add(GenerateRequest("bad", "demo", prompt="x", params=SamplingParams(grammar=broken))))
    ended = pipe.receive()
    assert isinstance(ended, ipc.Step)
    assert [failed.request_id for failed in ended.failed] == ["bad"]
    pipe.send(ipc.Add(GenerateRequest("good", "demo", prompt="x", params=SamplingParams(max_tokens=1))))
    step = pipe.receive()
    assert isinstance(step, ipc.Step)
    assert step.chunks[-1].finish_reason is not None


def test_an_interrupt_from_the_terminal_is_the_parents_business(pipe: Pipe) -> None:
    load(pipe)
    pipe.process.send_signal(2)
    pipe.send(ipc.Add(GenerateRequest("r", "demo", prompt="x", params=SamplingParams(max_tokens=1))))
    assert isinstance(pipe.receive(), ipc.Step)


def test_what_prints_does_not_disturb_the_protocol(tmp_path: Path) -> None:
    # `sitecustomize` runs in every Python: this one prints from a thread for ever, as C libraries may.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, threading\n"
        "def chatter():\n"
        "    pause = threading.Event()\n"
        "    while not os.path.sameopenfile(1, 2):\n"  # the worker has not taken its stdio yet
        "        pause.wait(0.001)\n"
        "    while True:\n"
        "        os.write(1, b'noise on standard output')\n"
        "        pause.wait(0.001)\n"
        "threading.Thread(target=chatter, daemon=True).start()\n"
    )
    pipe = Pipe({**os.environ, "PYTHONPATH": str(tmp_path)})
    load(pipe)
    for number in range(20):
        request = GenerateRequest(str(number), "demo", prompt="x", params=SamplingParams(max_tokens=5))
        pipe.send(ipc.Add(request))
        last = None
        while last is None:
            step = pipe.receive()
            assert isinstance(step, ipc.Step)
            last = step.chunks[-1].finish_reason
    _, errors = pipe.process.communicate(timeout=10)
    assert b"noise" in errors


def test_a_file_that_cannot_be_loaded_ends_the_worker_with_a_reason(pipe: Pipe, tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(b"no model")
    pipe.receive()
    pipe.send(ipc.Load(ModelSpec("bad", str(path))))
    failed = pipe.until(ipc.LoadFailed)
    assert isinstance(failed, ipc.LoadFailed)
    assert failed.error["code"] == "model_load_failed"
    assert pipe.receive() is None
    assert pipe.process.wait(5) == 0


@given(st.text(), st.integers(0, 1 << 30), st.sampled_from(["stop", "length", "aborted", None]))
def test_messages_survive_the_pipe(text: str, tokens: int, reason: str | None) -> None:
    text = text.encode("utf-8", "replace").decode()
    step = ipc.Step([Chunk("r", text, 1, reason, None, Usage(tokens, 1, 0))], [ipc.Failed("x", {"message": text})])  # type: ignore[arg-type]
    frame = ipc.encode(step)
    assert ipc.decode_from_worker(frame[ipc.HEADER.size :]) == step
