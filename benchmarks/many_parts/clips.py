"""Short clips that share passes, against a call for each, with the small stand-ins."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

import novaspeech
from benchmarks.machine import alternate
from benchmarks.record import Report
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


def measure(report: Report, count: int, group: int = 128) -> None:
    """A row for each module and kind of windows."""
    quieten()
    heads = ("module", "windows of a clip", "one by one, ms a clip", "together", "ratio", "largest difference")
    report.table("clips", *heads)
    with tempfile.TemporaryDirectory() as folder:
        clips = record(Path(folder), count)
        for module in ("emow2v", "w2v_bert_2"):
            place = make_standin(module, Path(folder, module))
            for windows, options in _WAYS.items():
                model = novaspeech.load(module, model=str(place), device="cpu", **options)
                model.processor.log = lambda line: None
                report.row(module, windows, *compare(model, clips, group))


def record(folder: Path, count: int) -> list[Path]:
    """Writes the clips."""
    chance = np.random.default_rng(0)
    files = [folder / f"{number}.wav" for number in range(count)]
    for file in files:
        soundfile.write(file, chance.standard_normal(_SECONDS * _RATE).astype(np.float32) / 10, _RATE)
    return files


def compare(model: Model, clips: Sequence[Path], group: int) -> list[float]:
    """The numbers of a row."""

    def alone() -> list[Result | NovaspeechError]:
        return [model(clip) for clip in clips]

    def together() -> list[Result | NovaspeechError]:
        parts = (model.many(clips[first : first + group]) for first in range(0, len(clips), group))
        return [result for part in parts for result in part]

    seconds, results = alternate({"alone": alone, "together": together}, torch.device("cpu"), 1)
    difference = 0.0
    for one, other in zip(results["alone"], results["together"], strict=True):
        assert isinstance(one, Result)
        assert isinstance(other, Result)
        difference = max(difference, *(np.abs(np.asarray(one[name]) - np.asarray(other[name])).max() for name in one))
    first, second = (1000 * seconds[way] / len(clips) for way in ("alone", "together"))
    return [round(first, 1), round(second, 1), round(first / second, 2), float(f"{difference:.1e}")]
