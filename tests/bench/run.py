"""`make bench`: how fast answers come through the whole stack, as ratios to llama-cpp-python used directly.

Rounds of all contenders are interleaved, and the table shows medians of ratios within a round, so that a machine that
is busy with something else slows all of them alike.

    make bench                      3 rounds, the demo model made endless
    make bench BENCH_ARGS="--rounds 9 --tokens 400 --model path/to/other.gguf"
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import llama_cpp

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.conftest import Server, endless_model, launch

MODEL = "bench"
PROMPT = "How do I load a model? " * 8


def directly(path: Path, tokens: int) -> Callable[[], float]:
    """Tokens a second of llama-cpp-python's high-level class in this process, one stream."""
    llama = llama_cpp.Llama(str(path), n_ctx=2048, n_threads=1, verbose=False)

    def measure() -> float:
        llama.reset()
        started, count = time.perf_counter(), 0
        for _ in llama.create_completion(PROMPT, max_tokens=tokens, temperature=0, stream=True):
            count += 1
        return count / (time.perf_counter() - started)

    return measure


def through_http(server: Server, tokens: int, streams: int) -> Callable[[], float]:
    """Tokens a second of all streams together, read by clients of our server."""

    def read_one(_: int) -> int:
        body = {"model": MODEL, "prompt": PROMPT, "max_tokens": tokens, "temperature": 0, "stream": True}
        count = 0
        with httpx2.stream(
            "POST", f"{server.url}/v1/completions", json=body, headers=server.auth, timeout=600
        ) as response:
            for line in response.iter_lines():
                count += line.startswith("data: {")
        return count

    def measure() -> float:
        started = time.perf_counter()
        with ThreadPoolExecutor(streams) as pool:
            count = sum(pool.map(read_one, range(streams)))
        return count / (time.perf_counter() - started)

    return measure


def first_token(server: Server, client: httpx2.Client) -> float:
    """Seconds from the request to the first event, over a prompt that is cached, less what the engine needed."""
    body = {"model": MODEL, "prompt": PROMPT, "max_tokens": 1, "temperature": 0, "stream": True}
    started = time.perf_counter()
    with client.stream("POST", f"{server.url}/v1/completions", json=body) as response:
        event = json.loads(
            next(line for line in response.iter_lines() if line.startswith("data: ")).removeprefix("data: ")
        )
        elapsed = time.perf_counter() - started
    return elapsed - float(event["timings"]["first_token"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=300)
    parser.add_argument("--model", type=Path, help="a GGUF file that does not stop by itself")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = launch(folder)
        path = server.models / f"{MODEL}.gguf"
        if arguments.model:
            shutil.copyfile(arguments.model, path)
        else:
            path.write_bytes(endless_model())
        try:
            time.sleep(1.1)  # the catalog looks for new files once a second
            server.post(
                "load_model", {"model": MODEL, "n_ctx": 2048, "n_parallel": 8, "n_threads": 1}
            ).raise_for_status()
            report(server, path, arguments.rounds, arguments.tokens)
        finally:
            server.stop()


def report(server: Server, path: Path, rounds: int, tokens: int) -> None:
    contenders = {"llama-cpp-python, in process, 1 stream": directly(path, tokens)}
    for streams in (1, 4, 8):
        contenders[f"jupyter_uml over HTTP, {streams} stream{'s' * (streams > 1)}"] = through_http(
            server, tokens, streams
        )
    results: dict[str, list[float]] = {name: [] for name in contenders}
    delays: list[float] = []
    for _ in range(rounds):
        for name, measure in contenders.items():
            results[name].append(measure())
        with httpx2.Client(headers=server.auth, timeout=60) as client:
            delays += [first_token(server, client) for _ in range(20)][1:]  # the first one opens the connection
    base = next(iter(results.values()))
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {rounds} rounds\n")
    print("| | tokens/s | ratio |\n| --- | ---: | ---: |")
    for name, rates in results.items():
        ratio = statistics.median(rate / reference for rate, reference in zip(rates, base, strict=True))
        print(f"| {name} | {statistics.median(rates):.0f} | {ratio:.2f} |")
    delays.sort()
    print(
        f"\nFirst token over HTTP, less the engine's own time: median {statistics.median(delays) * 1e3:.1f} ms, ",
        end="",
    )
    print(f"p95 {delays[int(len(delays) * 0.95)] * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
