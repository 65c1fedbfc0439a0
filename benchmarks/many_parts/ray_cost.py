"""What Ray costs: 200 recordings against two plain processes."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.many_parts.material import Family, Material, results_in
from benchmarks.record import Report

_SECONDS = (3.5, 30.0, 160.0)  # of a recording in the middle, for about 20, 100 and 500 ms of work
_WORKERS = 2
_HEADS = (
    "seconds of a recording",
    "work, ms",
    "plain, CPU s",
    "Ray, CPU s",
    "their starts, CPU s",
    "efficiency",
    "without what Ray's start takes more",
    "without both starts",
    "wall s, plain and Ray",
    "busy, plain and Ray",
)


@dataclass(frozen=True)
class Cost:
    """Of one way.

    Attributes:
        cpu, wall: seconds of processor time, of all processes, and from start to end.
        busy: share of the workers' time that was spent in work after the first result.
        took: seconds of work of a recording, the middle one.
    """

    cpu: float
    wall: float
    busy: float
    took: float


def measure(report: Report, recordings: int) -> None:
    """A row for each length of recordings."""
    report.table("ray", *_HEADS)
    for seconds in _SECONDS:
        plain_start, ray_start = _both(2, seconds)
        plain, ray = _both(recordings, seconds)
        more = ray_start.cpu - plain_start.cpu
        work = (plain.cpu - plain_start.cpu) / (ray.cpu - ray_start.cpu)
        report.row(
            *(seconds, round(1000 * plain.took), round(plain.cpu, 1), round(ray.cpu, 1)),
            f"{plain_start.cpu:.1f}, {ray_start.cpu:.1f}",
            *(round(plain.cpu / ray.cpu, 2), round(plain.cpu / (ray.cpu - more), 2), round(work, 2)),
            f"{plain.wall:.1f}, {ray.wall:.1f}",
            f"{plain.busy:.1%}, {ray.busy:.1%}",
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
        plain, ray = map(results_in, outs)
        if plain != ray or len(plain) != 2 * recordings:
            raise SystemExit("the two ways did not write the same files")
        first, second = (_cost(out, family) for out, family in zip(outs, families, strict=True))
        return first, second


def _cost(out: Path, family: Family) -> Cost:
    records = sorted(out.glob(".*.emow2v.json"), key=lambda file: file.stat().st_mtime)
    took = [json.loads(file.read_text())["took"] for file in records]
    ends = [file.stat().st_mtime - records[0].stat().st_mtime for file in records]
    return Cost(family.cpu_seconds, family.seconds, _busy(took, ends), statistics.median(took))


def _busy(took: Sequence[float], ends: Sequence[float]) -> float:
    """Of works that end so long after the first one; of each what lies after that."""
    within = sum(map(min, took, ends))
    return within / (_WORKERS * ends[-1]) if ends[-1] else 1.0
