"""Where a GPU's time goes while a module's encoder runs at its published size, with random weights.

Of each context: the time that passes, how much of it the device computes, and the shares of features and of transfers
in it, as torch's profiler has them.

    python benchmarks/device_time.py [--module w2v_bert_2] [--precision bfloat16] [--windows 2000] [--seconds 1200]
                                     [--kernels 12]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))

from benchmarks.machine import describe_machine, timed
from benchmarks.speed_parts.cases import CASES
from benchmarks.speed_parts.ways import TORCH, Audio, Bench, Setting, quieten
from novaspeech.models.frames import Front

FEATURES = "features"


class _Marked:
    """A front whose work the profiler finds under a name of its own."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def __getattr__(self, name: str) -> Any:
        return getattr(self._front, name)

    def hear(self, blocks: Any) -> _Marked:
        with record_function(FEATURES):
            return _Marked(self._front.hear(blocks))

    def __call__(self, batch: Any) -> torch.Tensor:
        with record_function(FEATURES):
            return self._front(batch)


def main() -> None:
    """Prints a table and the kernels that take longest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    frames = [name for name, case in CASES.items() if "recording" in case.contexts]
    parser.add_argument("--module", choices=frames, default=frames[0])
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--windows", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--kernels", type=int, default=12)
    given = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("device_time.py: torch sees no CUDA device here; on a CPU speed.py says what there is to say")
    quieten()
    print(describe_machine() + "\n")
    audio, case = Audio(given.windows, given.seconds, given.batch), CASES[given.module]
    heads = ["context", "s", "device busy, %", "features, %", "transfers, %"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        case.make(Path(folder, "model"))
        bench = Bench(given.module, Path(folder, "model"), torch.device("cuda"), audio)
        slowest = []
        for context in case.contexts:
            setting = Setting(TORCH, context, given.precision)
            model = bench.encoder(setting).model
            assert model is not None
            run = bench.run(setting)
            row, kernels = shares(run, partial(_mark, model))
            print(f"| {context} | {' | '.join(row)} |", flush=True)
            slowest += [f"{context}: {line}" for line in kernels[: given.kernels]]
    print("\n" + "\n".join(slowest))


def shares(run: Callable[[], object], mark: Callable[[bool], None]) -> tuple[list[str], list[str]]:
    """Seconds without the profiler and percentages of them; kernels with their ms, the slowest first."""
    device = torch.device("cuda")
    run()
    seconds = timed(run, device)[0]
    mark(True)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
        timed(run, device)
    mark(False)
    events = profiled.key_averages()
    kernels = {event.key: event.self_device_time_total for event in events if event.self_cpu_time_total == 0}
    busy = {name: spent for name, spent in kernels.items() if name != FEATURES}
    transfers = sum(spent for name, spent in busy.items() if "Memcpy HtoD" in name or "Memcpy DtoH" in name)
    features = sum(event.device_time_total for event in events if event.key == FEATURES and event.self_cpu_time_total)
    of_all = [f"{spent / seconds / 1e4:.1f}" for spent in (sum(busy.values()), features, transfers)]
    slowest = sorted(busy.items(), key=lambda item: -item[1])
    return [f"{seconds:.3f}", *of_all], [f"{spent / 1e3:9.1f} ms  {name[:100]}" for name, spent in slowest]


def _mark(model: Any, marked: bool) -> None:
    front = model.front
    object.__setattr__(model, "front", _Marked(front) if marked else front._front)


if __name__ == "__main__":
    main()
