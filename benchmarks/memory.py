"""Whether memory grows with the recording: peaks of 2 minutes and of 2 hours of 48 kHz stereo, in fresh processes.

Each process runs a module with the demo's stand-in, all its outputs, through the host's du-process, as a server's venv
backend does. The difference of the peaks may be the outputs' size plus 60 MB.

    python benchmarks/memory.py [--module w2v_bert_2] [--minutes 2 120]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# Before this script's own folder, where `byols` would mean another script.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))

from benchmarks.machine import describe_machine
from benchmarks.path import make_recording
from demo.__main__ import make_request
from demo.standins import lay_out
from novaspeech.server.catalogue import load_trainer, standins

ROOT = Path(__file__).resolve().parents[1]
ALLOWED_MB = 60

# Runs du-process and prints the peak of its memory.
CHILD = f"""
import contextlib, sys
from discover_utils.scripts.process import main
sys.path.insert(0, {str(ROOT)!r})
from benchmarks.peak import peak_mb
with contextlib.redirect_stdout(sys.stderr):
    main(sys.argv[1:])
print(peak_mb())
"""


def run_job(module: str, recording: Path, folder: Path) -> tuple[float, float]:
    """Peak resident memory of one job, and the size of its outputs, in MB."""
    trainer, standin = load_trainer(module), standins()[module]
    inputs = {entry.io_id: recording for entry in trainer.inputs}
    request = make_request(trainer, inputs, folder, {**standin.options, **standin.own_options})
    words = ["--trainer_file_path", request["trainerFilePath"], "--cml_dir", str(ROOT)]
    words += ["--cache_dir", str(folder), "--tmp_dir", str(folder)]
    words += ["--data", request["data"], "--options", request["options"]]
    environment = {**os.environ, "HF_HUB_CACHE": str(folder / "hub"), "HF_ASSETS_CACHE": str(folder / "assets")}
    command = [sys.executable, "-c", CHILD, *words]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(answer.stdout), sum(path.stat().st_size for path in folder.glob("*~")) / 2**20


def main() -> int:
    """Prints the table; 1 if memory grew by more than is allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module", default="w2v_bert_2", choices=list(standins()))
    parser.add_argument("--minutes", type=float, nargs=2, default=[2, 120])
    given = parser.parse_args()
    print(describe_machine())
    peaks, sizes = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lay_out(given.module, folder)
        for minutes in given.minutes:
            make_recording(folder / "noise.wav", minutes)
            start = time.perf_counter()
            peak, size = run_job(given.module, folder / "noise.wav", folder)
            seconds = time.perf_counter() - start
            print(f"{minutes:5g} min  peak {peak:7.1f} MB  outputs {size:6.1f} MB  {seconds:6.1f} s", flush=True)
            peaks.append(peak)
            sizes.append(size)
    grown, allowed = peaks[1] - peaks[0], sizes[1] - sizes[0] + ALLOWED_MB
    print(f"grown by {grown:.1f} MB; allowed {allowed:.1f} MB (outputs + {ALLOWED_MB})")
    return 0 if grown <= allowed else 1


if __name__ == "__main__":
    raise SystemExit(main())
