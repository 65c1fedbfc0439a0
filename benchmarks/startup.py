"""Where the time goes from a process's start to a module's first windows, at the published sizes with random weights.

Each run is a fresh process; of several the median is shown. "Imports" are those of the module's own script, with
transformers. "Mapped" is how much of the weights' file lies in memory as the file itself, which costs no copy, and
which processes share; "own" is all other memory after loading.

    python benchmarks/startup.py [--modules w2v_bert_2 …] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))

from benchmarks.machine import describe_machine
from benchmarks.speed_parts.cases import CASES, MODULES
from benchmarks.speed_parts.ways import quieten

ROOT = Path(__file__).resolve().parents[1]
STEPS = ("Python", "novaspeech", "torch", "imports", "weights", "first windows")
CHILD = f"""
import sys, time
marks = [time.time()]
sys.path[:0] = [{str(ROOT / "modules")!r}]
def mark(): marks.append(time.time())
import novaspeech; mark()
import torch, importlib; mark()
name, place, output = sys.argv[1:]
importlib.import_module(f"{{name}}.{{name}}"); mark()
model = novaspeech.load(name, model=place, log=lambda line: None); mark()
import numpy, re
own = int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
files = open("/proc/self/smaps").read()
mapped = sum(int(kb) for kb in re.findall(r"(?:safetensors|\\.bin|model)\\n(?:.*\\n)*?Rss: +(\\d+) kB", files)) / 1024
start = time.time()
model((numpy.random.default_rng(0).normal(0, 0.1, 32000).astype("float32"), 16000), [output])
marks.append(marks[-1] + time.time() - start)
import json; print(json.dumps({{"marks": marks, "mapped": mapped, "own": own}}))
"""


def main() -> None:
    """Prints a row for each module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modules", nargs="+", choices=MODULES, default=MODULES)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    quieten()
    print(describe_machine() + "\n")
    heads = ["module", *(f"{step}, s" for step in STEPS), "in all, s", "mapped, MB", "own, MB"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for case in {case.module: case for case in reversed(CASES.values()) if case.module in given.modules}.values():
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder, "model")
            torch.manual_seed(0)
            case.make(place)
            found = [start(case.module, place, case.embedding) for _ in range(given.rounds)]
        cells = [f"{statistics.median(column):.2f}" for column in zip(*(steps for steps, _, _ in found), strict=True)]
        cells += [f"{statistics.median(sum(steps) for steps, _, _ in found):.2f}"]
        cells += [f"{found[0][1]:.0f}", f"{found[0][2]:.0f}"]
        print(f"| {case.module} | {' | '.join(cells)} |", flush=True)


def start(module: str, place: Path, output: str) -> tuple[list[float], float, float]:
    """Seconds of each of `STEPS`, and MB that are mapped and that are the process's own."""
    begin = time.time()
    command = [sys.executable, "-c", CHILD, module, str(place), output]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    marks = [begin, *answer["marks"]]
    return [after - before for before, after in pairwise(marks)], answer["mapped"], answer["own"]


if __name__ == "__main__":
    main()
