"""What a job costs from a minute to hours: seconds and memory of each context over the length of the recording.

Each job is a fresh process that runs a module, all its outputs, through the host's du-process, as a server's venv
backend does, over 48 kHz stereo. Seconds count from the process's start. Of each context a least-squares line is fitted
to the seconds, and memory must not grow by more than the outputs' size plus 60 MB; else the script ends with 1. The
small model is the demo's stand-in, the full one has the published size and random weights. (wav2vec2_kws, wav2vec2_sv
and byols have no choice of a context.)

    python -m benchmarks.scale [--module emow2v] [--size small] [--minutes 1 5 20 60 120 300]
                               [--contexts window recording] [--out PNG]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from transformers.utils import logging

from benchmarks.path import make_recording
from benchmarks.record import Report, command_line
from benchmarks.speed_parts.cases import CASES
from demo.__main__ import inputs_of, make_request
from demo.standins import make_standin, options_of
from novaspeech.module.catalogue import load_trainer, standins

ROOT = Path(__file__).resolve().parents[1]
ALLOWED_MB = 60

# Runs du-process; prints a line when the first windows are done, and at the end the peak of its memory.
CHILD = f"""
import contextlib, os, sys
from discover_utils.scripts.process import main
sys.path[:0] = [{str(ROOT / "modules")!r}, {str(ROOT)!r}]
from benchmarks.peak import peak_mb
from novaspeech.server.progress import LogProgress
report, answer, first = LogProgress.__call__, sys.stdout, []
def note(self, completed, total):
    if not first:
        first.append(completed)
        print("first", file=answer, flush=True)
    report(self, completed, total)
LogProgress.__call__ = note
with contextlib.redirect_stdout(sys.stderr):
    main(sys.argv[1:])
print(peak_mb(), flush=True)
"""


@dataclass(frozen=True)
class Job:
    """What a job took.

    Attributes:
        minutes: length of the recording.
        seconds: from the process's start to its end.
        first: seconds to the first windows; None if the module does not report them.
        peak_mb: peak resident memory.
        outputs_mb: size of the files that it wrote.
    """

    minutes: float
    seconds: float
    first: float | None
    peak_mb: float
    outputs_mb: float


def run_job(module: str, model: Path, context: str, recording: Path, minutes: float) -> Job:
    """A job in a process of its own; what it writes is removed again."""
    trainer, options = load_trainer(module), options_of(module, model)
    if "context" in trainer.options:
        options["context"] = context
    inputs = {**inputs_of(trainer), trainer.inputs[0].io_id: recording}  # further ones are the demo's
    with tempfile.TemporaryDirectory(dir=recording.parent) as name:
        request = make_request(trainer, inputs, Path(name), options)
        words = ["--trainer_file_path", request["trainerFilePath"], "--cml_dir", str(ROOT)]
        words += ["--cache_dir", name, "--tmp_dir", name, "--data", request["data"], "--options", request["options"]]
        command, first, line = [sys.executable, "-c", CHILD, *words], None, ""
        with (recording.parent / "log.txt").open("w") as log:
            start = time.perf_counter()
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ) as process:
                for line in process.stdout or ():
                    first = time.perf_counter() - start if line == "first\n" else first
        seconds = time.perf_counter() - start
        if process.returncode:
            raise SystemExit((recording.parent / "log.txt").read_text())
        size = sum(path.stat().st_size for path in Path(name).glob("*~")) / 2**20
    return Job(minutes, seconds, first, float(line), size)


def make_model(module: str, size: str, folder: Path) -> Path:
    """Writes the model; of byols the default network, which has one size."""
    place = folder / "model"
    if size == "small":
        return make_standin(module, place)
    torch.manual_seed(0)
    next(case for case in CASES.values() if case.module == module).make(place)
    return place


def main() -> int:
    """Prints the table and draws the picture; 1 if memory grew by more than is allowed."""
    parser = command_line(__doc__)
    parser.add_argument("--module", default="emow2v", choices=list(standins()))
    parser.add_argument("--size", default="small", choices=("small", "full"))
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 5, 20, 60, 120, 300])
    parser.add_argument("--contexts", nargs="+", choices=("window", "recording"), default=["window", "recording"])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("pictures") / "scale.png")
    given = parser.parse_args()
    logging.disable_progress_bar()
    contexts = given.contexts if "context" in load_trainer(given.module).options else ["its own"]
    jobs: dict[str, list[Job]] = {context: [] for context in contexts}
    report = Report("scale", given.results)
    columns = (
        "minutes",
        "context",
        "seconds",
        "× real time",
        "first windows after, s",
        "peak memory, MB",
        "outputs, MB",
    )
    report.table(f"{given.module}, {given.size} model", *columns)
    with tempfile.TemporaryDirectory() as name:
        model = make_model(given.module, given.size, Path(name))
        recording = Path(name, "noise.wav")
        for minutes in given.minutes:
            make_recording(recording, minutes)
            for context in contexts:
                jobs[context].append(run_job(given.module, model, context, recording, minutes))
                add_row(report, context, jobs[context][-1])
    grown = [add_line(report, context, found) for context, found in jobs.items()]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    draw(jobs, f"{given.module}, {given.size} model", given.out)
    return 0 if max(grown) <= ALLOWED_MB else 1


def add_row(report: Report, context: str, job: Job) -> None:
    """One row of the table."""
    times = (round(job.seconds, 1), round(60 * job.minutes / job.seconds, 1), job.first and round(job.first, 1))
    report.row(job.minutes, context, *times, round(job.peak_mb), round(job.outputs_mb, 1))


def add_line(report: Report, context: str, jobs: Sequence[Job]) -> float:
    """Notes how the cost grows; MB by which memory grew beyond the outputs, from the shortest to the longest."""
    minutes, seconds = (np.array([getattr(job, name) for job in jobs]) for name in ("minutes", "seconds"))
    line = fitted_line(minutes, seconds) if len(jobs) > 2 else "too few lengths for a line"
    shortest, longest = min(jobs, key=lambda job: job.minutes), max(jobs, key=lambda job: job.minutes)
    outputs = longest.outputs_mb - shortest.outputs_mb
    grown = longest.peak_mb - shortest.peak_mb
    report.note(
        f"context {context}: {line}; memory grew by {grown:.0f} MB from {shortest.minutes:g} to {longest.minutes:g} "
        f"min, outputs by {outputs:.0f} MB (allowed: {ALLOWED_MB} MB more than these)"
    )
    return grown - outputs


def fitted_line(minutes: np.ndarray, seconds: np.ndarray) -> str:
    """The least-squares line and its R², in words."""
    slope, start = np.polyfit(minutes, seconds, 1)
    left = np.square(seconds - slope * minutes - start).sum()
    return f"{start:.1f} s and {slope:.2f} s a minute, R² {1 - left / np.square(seconds - seconds.mean()).sum():.5f}"


def draw(jobs: Mapping[str, Sequence[Job]], title: str, picture: Path) -> None:
    """Seconds and memory over minutes, a line for each context."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    figure.suptitle(f"{title}: one job, 48 kHz stereo")
    cost, memory = figure.subplots(1, 2)
    for context, found in jobs.items():
        minutes = [job.minutes for job in found]
        cost.plot(minutes, [job.seconds for job in found], "o-", label=f"context={context}")
        [line] = memory.plot(minutes, [job.peak_mb for job in found], "o-", label=f"context={context}")
        without = [job.peak_mb - job.outputs_mb for job in found]
        memory.plot(minutes, without, "o:", color=line.get_color(), label="without the outputs' size")
    for axis, label in ((cost, "seconds from the process's start to its end"), (memory, "peak memory, MB")):
        axis.set(xlabel="minutes of the recording", ylabel=label, xlim=(0, None), ylim=(0, None))
        axis.grid(alpha=0.3)
    cost.legend()
    memory.legend(loc="lower right")
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    raise SystemExit(main())
