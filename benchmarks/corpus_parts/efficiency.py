"""What Ray costs: 200 recordings against two plain processes."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.corpus_parts.material import Family, Material, results_in
from benchmarks.hardships_parts.base import files_below

_SECONDS = (1.5, 12.0, 60.0)  # of a recording in the middle, for about 20, 60 and 250 ms of work
_WORKERS = 2


@dataclass(frozen=True)
class Cost:
    """Of one way.

    Attributes:
        cpu: seconds of processor time.
        busy: share of the workers' time that was spent in work after the first result.
        took: seconds of work of a recording, the middle one.
    """

    cpu: float
    busy: float
    took: float


def efficiency(recordings: int) -> None:
    """Prints the table."""
    print(
        "\n| seconds of a recording | work, ms | plain, CPU s | Ray, CPU s | of them start | efficiency | "
        "without start | busy, plain | busy, Ray |\n|---|---|---|---|---|---|---|---|---|"
    )
    for seconds in _SECONDS:
        few, start = _both(2, seconds)
        plain, ray = _both(recordings, seconds)
        beginning = start.cpu - few.cpu
        print(
            f"| {seconds:g} | {1000 * plain.took:.0f} | {plain.cpu:.1f} | {ray.cpu:.1f} | {beginning:.1f} | "
            f"{plain.cpu / ray.cpu:.2f} | {plain.cpu / (ray.cpu - beginning):.2f} | {plain.busy:.1%} | "
            f"{ray.busy:.1%} |",
            flush=True,
        )


def _both(recordings: int, seconds: float) -> tuple[Cost, Cost]:
    """Two shards at once, and Ray; they give the same bytes."""
    lengths = np.random.default_rng(0).lognormal(np.log(seconds), 0.3, recordings)
    with tempfile.TemporaryDirectory() as folder:
        material = Material(Path(folder), ("--set", "context=recording", "--set", "device=cpu"))
        talks = str(material.record(lengths.tolist()))
        outs = [Path(folder, name) for name in ("plain", "ray")]
        shards = [material.command(talks, str(outs[0]), "--shard", f"{part}/2") for part in (1, 2)]
        families = [Family(shards).run(), Family([material.command(talks, str(outs[1]), "--engine", "ray")]).run()]
        plain, ray = (results_in(files_below(out)) for out in outs)
        if plain != ray or len(plain) != 2 * recordings:
            raise SystemExit("the two ways did not write the same files")
        first, second = (_cost(out, family) for out, family in zip(outs, families, strict=True))
        return first, second


def _cost(out: Path, family: Family) -> Cost:
    records = sorted(out.glob(".corpus/ended/*.json"), key=lambda file: file.stat().st_mtime)
    took = [json.loads(file.read_text())["took"] for file in records]
    window = records[-1].stat().st_mtime - records[0].stat().st_mtime
    return Cost(family.cpu_seconds, _busy(took[1:], window), statistics.median(took))


def _busy(took: Sequence[float], window: float) -> float:
    return sum(took) / (_WORKERS * window) if window else 1.0
