"""`make bench`: how fast answers come through the whole stack, against other servers of the same models.

Every workload starts the servers that it needs, then measures them in turn, round after round; the table shows medians
of ratios within a round, so that a machine which is busy with something else slows all of them alike.

    make bench                                                          ours alone, and llama-cpp-python in process
    make bench BENCH_ARGS="--llama-server path/to/llama-server"         the whole table
    make bench BENCH_ARGS="--only streams-8 --only edit --rounds 5 --size 0.5"
    make bench BENCH_ARGS=--quick                                       short prompts, one round: does it run at all?
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.bench import report
from tests.bench.in_process import IN_PROCESS, directly
from tests.bench.load import RequestError
from tests.bench.model_maker import bench_model, vocabulary_file
from tests.bench.peers import LlamaCppServer, LlamaServer, Ours, Peer, Setting
from tests.bench.report import Results
from tests.bench.rows import ROWS, Row
from tests.bench.workloads import Figures, Scale, Scene

PICTURE = Path(__file__).parents[2] / "notebooks" / "images" / "bench.png"


def main() -> None:
    arguments = _arguments()
    rows = [row for row in ROWS if not arguments.only or row.name in arguments.only]
    with tempfile.TemporaryDirectory(prefix="uml-bench-") as name:
        bench = Bench(arguments, Path(name))
        results = [bench.measure(row) for row in rows]
    peers = [peer.name for peer in bench.peers[1:]] or [IN_PROCESS]
    about = {"machine": report.machine() | bench.versions(), "model": bench.about_model(), "rounds": bench.rounds}
    print(f"\n{json.dumps(about, indent=1, ensure_ascii=False)}")
    for peer in peers:
        print(f"\n{report.table(results, peer)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(report.as_json(results, about), indent=1))
    if arguments.plot and len(bench.peers) > 1 and not report.plot(results, peers[0], arguments.plot):
        print("\nNo picture: matplotlib is not installed.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(row.name for row in ROWS)
    parser.add_argument("--only", action="append", choices=[row.name for row in ROWS], metavar="ROW", help=names)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=float, default=0.05, help="billion parameters (0.05)")
    parser.add_argument("--quantisation", default="Q8_0", help="Q8_0, F16, Q4_0, …")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 20))
    parser.add_argument("--patience", type=float, default=600, help="seconds that a measurement may take (600)")
    parser.add_argument("--quick", action="store_true", help="one round of a quarter of all lengths")
    parser.add_argument("--standalone", action="store_true", help="ours as `jupyter uml`, not in a Jupyter server")
    parser.add_argument("--llama-server", type=Path, default=os.environ.get("UML_LLAMA_SERVER"), metavar="PATH")
    parser.add_argument("--llama-server-flags", metavar="FLAGS", help="instead of the best known ones")
    parser.add_argument("--llama-cpp-server", action="store_true", help="measure python -m llama_cpp.server, too")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    parser.add_argument("--plot", type=Path, nargs="?", const=PICTURE, help="where to save the picture")
    return parser.parse_args()


class Bench:
    """The servers, and the rounds."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self._arguments = arguments
        self._scale = Scale().shorter() if arguments.quick else Scale()
        self.rounds = 1 if arguments.quick else arguments.rounds
        self.peers: list[Peer] = [Ours(folder, arguments.standalone)]
        if arguments.llama_server:
            self.peers.append(LlamaServer(folder, Path(arguments.llama_server)))
        if arguments.llama_cpp_server:
            self.peers.append(LlamaCppServer(folder))

    def measure(self, row: Row) -> Results:
        """All rounds of a workload. A server that fails is left out from there on, and the table says why."""
        results, setting = Results(row), self._setting(row)
        peers = self.peers[:1] if row.own else self.peers
        try:
            if not row.alone:
                for peer in peers:
                    with _noted(results, peer):
                        peer.start(setting)
                        asyncio.run(_warm_up(Scene(peer, self._scale, seed=0)))
            for number in range(self.rounds):
                for peer in peers:
                    if peer.name not in results.errors:
                        with _noted(results, peer):
                            self._round(results, peer, setting, number)
                if len(self.peers) == 1 and row.name.startswith("streams-"):
                    results.rounds.setdefault(IN_PROCESS, []).append(directly(setting, self._scale))
        finally:
            for peer in peers:
                peer.stop()
        return results

    def versions(self) -> dict[str, str]:
        return {peer.name: peer.version() for peer in self.peers if isinstance(peer, LlamaServer)}

    def about_model(self) -> str:
        asked = self._arguments
        weights = f"random weights, {asked.size:g} billion parameters, {asked.quantisation}"
        return f"{weights}, vocabulary of {vocabulary_file().stem}; {asked.threads} threads"

    def _round(self, results: Results, peer: Peer, setting: Setting, number: int) -> None:
        row = results.row
        peer.setting = setting
        began = time.perf_counter()
        try:
            figures = asyncio.run(self._patiently(row.run(Scene(peer, self._scale, self._arguments.seed + number))))
        finally:
            if row.alone:
                peer.stop()
        results.rounds.setdefault(peer.name, []).append(figures)
        shown = "  ".join(f"{key} {value:.4g}" for key, value in figures.items())
        print(f"{row.name:21} {number + 1} {peer.name:13} {time.perf_counter() - began:5.1f} s  {shown}", flush=True)

    async def _patiently(self, run: Coroutine[Any, Any, Figures]) -> Figures:
        """A server that serves one request at a time never ends some of the workloads."""
        async with asyncio.timeout(self._arguments.patience):
            return await run

    def _setting(self, row: Row) -> Setting:
        asked = self._arguments
        flags = asked.llama_server_flags
        tuning = row.tuning if flags is None else tuple(shlex.split(flags))
        model = bench_model(row.size or asked.size, asked.quantisation, row.kind)
        return Setting(model, row.n_parallel, row.n_ctx, asked.threads, tuning)


async def _warm_up(scene: Scene) -> None:
    await scene.ask(scene.text(40), 4).answer()


@contextmanager
def _noted(results: Results, peer: Peer) -> Iterator[None]:
    """A server that fails does not end the run."""
    try:
        yield
    except Exception as error:
        results.errors[peer.name] = f"{type(error).__name__}: {error}"
        print(f"{results.row.name:21} - {peer.name:13} {results.errors[peer.name]}", flush=True)
        if not isinstance(error, RequestError | TimeoutError):
            traceback.print_exc()


if __name__ == "__main__":
    main()
