"""Whether memory grows with the recording: peaks of 2 minutes and of 2 hours of 48 kHz stereo, in fresh processes.

Each process runs the module w2v_bert_2 with a small stand-in through the host's du-process, as a server's venv
backend does. The difference of the peaks may be the output's size plus 60 MB.

    python benchmarks/memory.py [--minutes 2 120]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import describe_machine
from benchmarks.path import make_recording
from demo.standins import make_w2v_bert_2

ROOT = Path(__file__).resolve().parents[1]
ALLOWED_MB = 60

# Runs du-process and prints the peak of its resident memory in kB.
CHILD = """
import contextlib, resource, sys
from discover_utils.scripts.process import main
with contextlib.redirect_stdout(sys.stderr):
    main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_mb(recording: Path, model: Path, out: Path) -> float:
    """Peak resident memory of one job, in MB."""
    data = [
        {"src": "file:stream:audio", "type": "input", "id": "audio", "uri": str(recording)},
        {"src": "file:stream:SSIStream", "type": "output", "id": "embedding", "uri": str(out)},
    ]
    words = ["--trainer_file_path", "modules\\w2v_bert_2\\w2v_bert_2.trainer", "--cml_dir", str(ROOT)]
    words += ["--cache_dir", str(out.parent), "--tmp_dir", str(out.parent), "--data", json.dumps(data)]
    words += ["--options", json.dumps({"model": str(model)})]
    answer = subprocess.run([sys.executable, "-c", CHILD, *words], check=True, capture_output=True, text=True)
    return int(answer.stdout) / 1024


def main() -> int:
    """Prints the table; 1 if memory grew by more than is allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs=2, default=[2, 120])
    print(describe_machine())
    peaks, sizes = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_w2v_bert_2(folder / "model")
        for minutes in parser.parse_args().minutes:
            make_recording(folder / "noise.wav", minutes)
            start = time.perf_counter()
            peaks.append(peak_mb(folder / "noise.wav", folder / "model", folder / "out.stream"))
            sizes.append((folder / "out.stream~").stat().st_size / 2**20)
            seconds = time.perf_counter() - start
            print(
                f"{minutes:5g} min  peak {peaks[-1]:7.1f} MB  output {sizes[-1]:6.1f} MB  {seconds:6.1f} s", flush=True
            )
    grown, allowed = peaks[1] - peaks[0], sizes[1] - sizes[0] + ALLOWED_MB
    print(f"grown by {grown:.1f} MB; allowed {allowed:.1f} MB (output + {ALLOWED_MB})")
    return 0 if grown <= allowed else 1


if __name__ == "__main__":
    raise SystemExit(main())
