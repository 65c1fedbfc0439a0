"""Short clips that share passes (`model.together`), against a call for each, with the small stand-ins.

    python benchmarks/together.py [--clips 1000] [--group 128] [--rounds 1]

Clips of 2 s of noise, as files. With context=recording a window every 40 ms, else one window a clip. Nothing is
written.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))

import numpy as np
import soundfile
import torch

import novaspeech
from benchmarks.machine import alternate, describe_machine
from benchmarks.speed_parts.ways import quieten
from demo.standins import make_standin
from novaspeech.api import Model
from novaspeech.errors import NovaspeechError
from novaspeech.result import Result

_SECONDS, _RATE = 2, 16_000
_WAYS: dict[str, dict[str, Any]] = {
    "every 40 ms, context=recording": {"context": "recording"},
    "one": {"frame": f"{_SECONDS}s", "left": "0", "right": "0"},
}


def main() -> None:
    """Prints a row for each module and kind of windows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--group", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    quieten()
    print(f"{describe_machine()}; {given.clips} clips, {given.group} in a group\n")
    print("| module | windows of a clip | one by one, ms a clip | together | ratio | largest difference |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        clips = record(Path(folder), given.clips)
        for module in ("emow2v", "w2v_bert_2"):
            place = make_standin(module, Path(folder, module))
            for windows, options in _WAYS.items():
                model = novaspeech.load(module, model=str(place), device="cpu", **options)
                model.processor.log = lambda line: None
                print(f"| {module} | {windows} | {compare(model, clips, given.group, given.rounds)} |", flush=True)


def record(folder: Path, count: int) -> list[Path]:
    """Writes the clips."""
    chance = np.random.default_rng(0)
    files = [folder / f"{number}.wav" for number in range(count)]
    for file in files:
        soundfile.write(file, chance.standard_normal(_SECONDS * _RATE).astype(np.float32) / 10, _RATE)
    return files


def compare(model: Model, clips: Sequence[Path], group: int, rounds: int) -> str:
    """The numbers of a row."""

    def alone() -> list[Result | NovaspeechError]:
        return [model(clip) for clip in clips]

    def together() -> list[Result | NovaspeechError]:
        parts = (model.together(clips[first : first + group]) for first in range(0, len(clips), group))
        return [result for part in parts for result in part]

    seconds, results = alternate({"alone": alone, "together": together}, torch.device("cpu"), rounds)
    difference = 0.0
    for one, other in zip(results["alone"], results["together"], strict=True):
        assert isinstance(one, Result)
        assert isinstance(other, Result)
        difference = max(difference, *(np.abs(np.asarray(one[name]) - np.asarray(other[name])).max() for name in one))
    first, second = (1000 * seconds[way] / len(clips) for way in ("alone", "together"))
    return f"{first:.1f} | {second:.1f} | {first / second:.2f} | {difference:.1e}"


if __name__ == "__main__":
    main()
