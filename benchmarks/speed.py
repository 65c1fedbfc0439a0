"""What the modules' encoders cost at the published sizes, with random weights, in one run on one machine.

Of each context, backend and precision: windows per second, times real time, how many times the public way (transformers
over windows, its own features, float32), floating-point operations a window and a second, their share of the device's
measured matrix-product peak in the same number format, peak memory in a process of its own, and the least cosine to
float32 of the same context. All ways are taken in turn, round by round. Windows of 1 s every 40 ms; of wav2vec2_sv 3 s
every 500 ms, of byols 1 s every 50 ms.

    python benchmarks/speed.py [--modules w2v_bert_2 …] [--windows N] [--seconds S] [--rounds 3] [--batch 250]
                               [--device cpu] [--precisions float32 auto bfloat16 float16]
                               [--no-memory] [--no-onnx]

On a CPU half precisions are many times slower where it has no instructions for them, and are not run unless named; few
windows and seconds (--windows 5 --seconds 10) show what they cost. The memory of the public way and of windows grows
with --windows up to a batch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# Before this script's own folder, where `wav2vec2_kws` would mean another script.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))

from benchmarks.machine import alternate, describe_machine
from benchmarks.speed_parts.cases import CASES, MODULES, Case
from benchmarks.speed_parts.counting import Peak
from benchmarks.speed_parts.ways import (
    ONNX,
    PUBLIC,
    Audio,
    Bench,
    Counted,
    Setting,
    export_onnx,
    onnx_precisions,
    peak_memory,
    quieten,
    settings_of,
)
from novaspeech.arrays import FloatArray
from novaspeech.models.compute import Compute

Outputs = dict[str, FloatArray]


@dataclass(frozen=True)
class Found:
    """What was measured of one way.

    Attributes:
        speed: windows per second.
        operations: floating-point operations of a window.
        peak: those per second of the fastest matrix product in its number format; None if it is not known.
        outputs: name → (count, D).
    """

    speed: float
    operations: float
    peak: float | None
    outputs: Outputs


def main() -> None:
    """Prints a table for each module; of byols for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modules", nargs="+", choices=MODULES, default=MODULES)
    parser.add_argument("--windows", type=int, help="encoded one by one (default: 50 on a CPU, 1000 elsewhere)")
    parser.add_argument("--seconds", type=float, default=120, help="of the recording that is encoded once")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is taken")
    parser.add_argument("--batch", type=int, default=250, help="the most windows in one pass")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precisions", nargs="+", help="of torch")
    parser.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True, help="measure it, too")
    parser.add_argument("--onnx", action=argparse.BooleanOptionalAction, default=True, help="onnxruntime, too")
    given = parser.parse_args()
    device = Compute.of(given.device).device
    usual = ["float32"] if device.type == "cpu" else ["float32", "auto", "bfloat16", "float16"]
    audio = Audio(given.windows or (50 if device.type == "cpu" else 1000), given.seconds, given.batch)
    quieten()
    print(describe_machine())
    for name in (name for name, case in CASES.items() if case.module in given.modules):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder, "model")
            onnx = onnx_precisions(device) if given.onnx and CASES[name].onnx else ()
            make(CASES[name], place, onnx)
            settings = settings_of(CASES[name], given.precisions or usual, onnx)
            memory = memory_of(name, place, device, audio, settings) if given.memory else {}
            found = measure(name, place, device, audio, settings, given.rounds)
        print_table(name, device, audio, given.rounds, found, memory)


def make(case: Case, place: Path, onnx: Sequence[str]) -> None:
    """Writes the model, and its ONNX files of these precisions."""
    torch.manual_seed(0)
    case.make(place)
    for precision in onnx:
        export_onnx(case.module, place, precision)


def memory_of(
    name: str, place: Path, device: torch.device, audio: Audio, settings: list[Setting]
) -> dict[Setting | None, float]:
    """Peak memory in MB of each way; of None, that of a process that only imports everything."""
    # What onnxruntime takes of a GPU torch does not know.
    measured = [setting for setting in settings if device.type == "cpu" or setting.backend != ONNX]
    return {setting: peak_memory(name, place, device, audio, setting) for setting in (None, *measured)}


def measure(
    name: str, place: Path, device: torch.device, audio: Audio, settings: list[Setting], rounds: int
) -> dict[Setting, Found]:
    """Times all ways, and the matrix products, in turn."""
    bench = Bench(name, place, device, audio)
    ways = {setting: Counted(bench.run(setting)) for setting in settings}
    formats = {setting.precision for setting in settings} - {"int8"}
    peaks = {precision: Peak(Compute.of(device.type, precision)) for precision in formats}
    runs: dict[str, Callable[[], Outputs | None]] = {str(setting): way for setting, way in ways.items()}
    runs |= peaks
    seconds, results = alternate(runs, device, rounds)
    found = {}
    for setting, way in ways.items():
        count = audio.count(CASES[name], setting.context)
        # In onnxruntime nothing is counted: its graph is torch's.
        counted = ways.get(setting.exact, way) if setting.backend == ONNX else way
        peak = peaks[setting.precision].per_second if setting.precision in peaks else None
        outputs = results[str(setting)] or {}
        found[setting] = Found(count / seconds[str(setting)], (counted.operations or 0) / count, peak, outputs)
    return found


def print_table(
    name: str,
    device: torch.device,
    audio: Audio,
    rounds: int,
    found: Mapping[Setting, Found],
    memory: Mapping[Setting | None, float],
) -> None:
    """One row a way."""
    case = CASES[name]
    peaks = {setting.precision: one.peak for setting, one in found.items() if one.peak}
    print(f"\n## {name}\n")
    once = f"; {audio.count(case, 'recording')} in a recording of {audio.seconds:g} s that is encoded once"
    print(
        f"Windows of {case.length / 16000:g} s every {case.hop / 16:g} ms on {device.type}: {audio.windows} that are "
        f"encoded one by one, at most {audio.batch} at once{once if 'recording' in case.contexts else ''}; median of "
        f"{rounds} rounds. Peaks of matrix products: "
        + ", ".join(f"{precision} {peak / 1e12:.3f} TFLOP/s" for precision, peak in peaks.items())
        + "."
        + (f" Of the memory {memory[None]:.0f} MB are there before a model is loaded." if memory else "")
        + "\n"
    )
    heads = ["way", "context", "windows/s", "× real time", "× public", "GFLOP/window", "GFLOP/s", "% of peak"]
    heads += ["peak memory, MB", "least cosine", *(["scores differ by"] if case.scores else [])]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for setting, one in found.items():
        cells = [f"{setting.backend}, {setting.precision}", setting.context]
        cells += speed_cells(case, one, found[Setting(PUBLIC)])
        cells += [f"{memory[setting]:.0f}" if setting in memory else "–"]
        cells += accuracy_cells(case, setting, found)
        print(f"| {' | '.join(cells)} |", flush=True)


def speed_cells(case: Case, one: Found, public: Found) -> list[str]:
    """Windows per second to share of the peak."""
    per_second = one.speed * one.operations
    return [
        f"{one.speed:.2f}",
        f"{one.speed * case.hop / 16000:.3f}",
        f"{one.speed / public.speed:.2f}",
        f"{one.operations / 1e9:.2f}",
        f"{per_second / 1e9:.1f}",
        f"{100 * per_second / one.peak:.0f}" if one.peak else "–",
    ]


def accuracy_cells(case: Case, setting: Setting, found: Mapping[Setting, Found]) -> list[str]:
    """The least cosine to float32 of the same context, and if there are scores their largest difference."""
    width = 1 + bool(case.scores)
    exact = found.get(setting.exact)
    if exact is None or (setting.backend == PUBLIC and not case.alike):
        return ["–"] * width
    pairs = {name: (found[setting].outputs[name], exact.outputs[name]) for name in case.outputs}
    ours, expected = (torch.from_numpy(rows) for rows in pairs[case.embedding])
    cells = [f"{torch.cosine_similarity(ours, expected).min():.6f}"]
    if case.scores:
        cells.append(f"{max(np.abs(a - b).max() for a, b in (pairs[name] for name in case.scores)):.2g}")
    return cells


if __name__ == "__main__":
    main()
