"""What the modules' encoders cost at the published sizes, with random weights, in one run on one machine.

Of each context, backend and precision: windows per second, times real time, how many times the public way (transformers
over windows, its own features, float32), floating-point operations a window and a second, their share of the device's
measured matrix-product peak in the same number format, peak memory in a process of its own, and the least cosine to
float32 of the same context. All ways are taken in turn, round by round. Windows of 1 s every 40 ms; of wav2vec2_sv 3 s
every 500 ms, of byols 1 s every 50 ms.

    python -m benchmarks.speed [--modules w2v_bert_2 …] [--windows N] [--seconds S] [--rounds 3] [--batch 250]
                               [--device cpu] [--precisions float32 auto bfloat16 float16]
                               [--no-memory] [--no-onnx]

On a CPU half precisions are many times slower where it has no instructions for them, and are not run unless named; few
windows and seconds (--windows 5 --seconds 10) show what they cost. The memory of the public way and of windows grows
with --windows up to a batch.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import alternate
from benchmarks.record import Report, command_line
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
COLUMNS = (
    *("module", "way", "context", "windows/s", "× real time", "× public", "GFLOP/window", "% of peak"),
    *("peak memory, MB", "least cosine", "scores differ by"),
)


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
    """Rows for each module; of byols for each network."""
    parser = command_line(__doc__)
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
    report = Report("speed-cpu" if device.type == "cpu" else f"speed-{device.type}", given.results)
    report.table("speed", *COLUMNS)
    for name in (name for name, case in CASES.items() if case.module in given.modules):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder, "model")
            onnx = onnx_precisions(device) if given.onnx and CASES[name].onnx else ()
            make(CASES[name], place, onnx)
            settings = settings_of(CASES[name], given.precisions or usual, onnx)
            memory = memory_of(name, place, device, audio, settings) if given.memory else {}
            found = measure(name, place, device, audio, settings, given.rounds)
        add_rows(report, name, found, memory)


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


def add_rows(report: Report, name: str, found: Mapping[Setting, Found], memory: Mapping[Setting | None, float]) -> None:
    """One row a way."""
    case, public = CASES[name], found[Setting(PUBLIC)]
    for setting, one in found.items():
        per_second = one.speed * one.operations
        report.row(
            name,
            f"{setting.backend}, {setting.precision}",
            setting.context,
            rounded(one.speed),
            rounded(one.speed * case.hop / 16000),
            rounded(one.speed / public.speed),
            rounded(one.operations / 1e9),
            round(100 * per_second / one.peak) if one.peak else None,
            round(memory[setting]) if setting in memory else None,
            *accuracy(case, setting, found),
        )


def rounded(number: float) -> float:
    """Four digits that say something."""
    return float(f"{number:.4g}")


def accuracy(case: Case, setting: Setting, found: Mapping[Setting, Found]) -> tuple[float | None, float | None]:
    """The least cosine to float32 of the same context, and if there are scores their largest difference."""
    exact = found.get(setting.exact)
    if exact is None or (setting.backend == PUBLIC and not case.alike):
        return None, None
    pairs = {name: (found[setting].outputs[name], exact.outputs[name]) for name in case.outputs}
    ours, expected = (torch.from_numpy(rows) for rows in pairs[case.embedding])
    cosine = round(float(torch.cosine_similarity(ours, expected).min()), 6)
    differences = [float(np.abs(a - b).max()) for a, b in (pairs[name] for name in case.scores)]
    return cosine, rounded(max(differences)) if differences else None


if __name__ == "__main__":
    main()
