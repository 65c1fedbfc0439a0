"""Two jobs at once on one machine, against the same two one after the other.

DISCOVER's debug backend runs jobs in threads of one process, its venv backend in processes. A job is a module's encoder
at its published size with random weights, over windows cut from noise. Loading is not counted.

    python benchmarks/jobs_at_once.py [--module speech_encoder] [--windows 60] [--rounds 3]
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))

from benchmarks.machine import describe_machine
from benchmarks.speed_parts.cases import CASES
from benchmarks.speed_parts.public import Run
from benchmarks.speed_parts.ways import TORCH, Audio, Bench, Setting, quieten


def main() -> None:
    """Prints the seconds of each way, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module", choices=list(CASES), default="speech_encoder")
    parser.add_argument("--windows", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    quieten()
    print(describe_machine() + "\n")
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        CASES[given.module].make(Path(folder, "model"))
        job = (given.module, Path(folder, "model"), given.windows)
        rows = [(after_each_other(*job), in_threads(*job), in_processes(*job)) for _ in range(given.rounds)]
    in_turn, threads, processes = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"| {given.module}, two jobs | seconds | ratio |\n|---|---|---|\n| one after the other | {in_turn:.2f} | 1 |")
    for way, seconds in (("at once, in one process", threads), ("at once, in two processes", processes)):
        print(f"| {way} | {seconds:.2f} | {seconds / in_turn:.2f} |")


def _run(module: str, place: Path, windows: int) -> Run:
    """A job, loaded and run once to warm up."""
    run = Bench(module, place, torch.device("cpu"), Audio(windows, 1, 250)).run(Setting(TORCH))
    run()
    return run


def after_each_other(module: str, place: Path, windows: int) -> float:
    """Seconds of two."""
    run = _run(module, place, windows)
    begin = time.perf_counter()
    run()
    run()
    return time.perf_counter() - begin


def in_threads(module: str, place: Path, windows: int) -> float:
    """Seconds of two in one process."""
    threads = [threading.Thread(target=_run(module, place, windows)) for _ in range(2)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begin


def in_processes(module: str, place: Path, windows: int) -> float:
    """Seconds of two in processes of their own."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    processes = [context.Process(target=_child, args=(module, place, windows, barrier)) for _ in range(2)]
    for process in processes:
        process.start()
    barrier.wait()
    begin = time.perf_counter()
    barrier.wait()
    seconds = time.perf_counter() - begin
    for process in processes:
        process.join()
    return seconds


def _child(module: str, place: Path, windows: int, barrier: Barrier) -> None:
    run = _run(module, place, windows)
    barrier.wait()
    run()
    barrier.wait()


if __name__ == "__main__":
    main()
