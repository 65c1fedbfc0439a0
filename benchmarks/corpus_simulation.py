"""How `novaspeech corpus` would get through 10,000 hours on 64 GPUs: workers for each GPU, order, unit of work, losses.

This is a simulation. Nothing is measured here, and it assumes:

- A worker starts in 20 s. One that is free gets the next unit of work; it opens the file, reads, computes and writes.
- A GPU computes for one worker at a time, first come, first served. Its other workers read and write meanwhile.
- Speeds are those of w2v-BERT 2.0, bfloat16, one H100 (BENCHMARKS.md, "Speed on a GPU"): 1394 times real time with
  context=recording, 186 with context=window, however short a recording is. 3 % of the GPUs run at 60 % of that.
- Each second of audio is 32 kB to read and 102.4 kB to write (1024 float32, 25 a second). A machine of 8 GPUs has
  1 GB/s for both (--bandwidth); its transfers follow one another. A file costs 50 ms to open and 3.5 ms to handle.
- With preemption each machine is lost once in 12 hours on average, and is back after 5 minutes. What it had in hand is
  done again, next. Rows with preemption are means of several draws. GPUs are paid for until the end.
- Clips are log-normal around 5 s, at most 30 s; interviews around 45 min, at most 5 h. Mixed has half of the hours of
  each, and a recording of 5 h for every 1000 hours. They come in a random order. Those below a minute are worked on in
  blocks of up to 16 neighbours. Pieces of 30 minutes are a file each and cost nothing else.

    python benchmarks/corpus_simulation.py [--hours H] [--gpus N] [--bandwidth B] [--price P] [--seed S] [--out PNG]
"""

from __future__ import annotations

import argparse
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from heapq import heapify, heappop, heapreplace
from itertools import product, repeat
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

SPEEDS, SLOW_SHARE, SLOW_SPEED = {"recording": 1394.0, "window": 186.0}, 0.03, 0.6
READ_B, WRITTEN_B = 32e3, 102.4e3  # for a second of audio
FILE_S, START_S = 0.05 + 0.0035, 20.0
MACHINE_GPUS, LOST_EVERY_S, BACK_AFTER_S = 8, 12 * 3600.0, 300.0
SHORT_S, BLOCK, PIECE_S = 60.0, 16, 1800.0
DRAWS = {"clips": 4, "interviews": 40, "mixed": 8}  # of what is lost when
BANDWIDTHS = (0.5, 1, 2, 4, 8)  # that are compared for interviews
TAKE, OPENED, READ, COMPUTED = range(4)  # what an event's worker has got to
WORKERS, KINDS = (1, 2, 3), list(product(DRAWS, SPEEDS))
CHANGES: dict[str, dict[str, Any]] = {
    "as they come": {"order": "as they come"},
    "shortest first": {"order": "shortest first"},
    "pieces of 30 min": {"unit": "30 min"},
    "pieces, both preempted": {"unit": "30 min", "preempted": True},
}
Unit = tuple[float, int]  # seconds of audio, files


@dataclass(frozen=True)
class Way:
    """A way to get through a corpus; the defaults are ours. `bandwidth` is in GB/s."""

    mix: str
    context: str
    bandwidth: float
    workers: int = 2
    order: str = "longest first"
    unit: str = "recording"
    preempted: bool = False


class Cluster:
    """GPUs with their workers, at the moment when these are started; `speeds` has one for each GPU."""

    def __init__(self, speeds: Sequence[float], workers: int, bandwidth: float) -> None:
        self._speeds, self._workers, self._bandwidth = speeds, workers, bandwidth * 1e9
        count = len(speeds) * workers
        self._gpu_free, self._link_free = [0.0] * len(speeds), [0.0] * -(-len(speeds) // MACHINE_GPUS)
        self._hand: list[Unit | None] = [None] * count
        self._lives = [0] * count  # events of an earlier life count for nothing
        self._events = [(START_S, worker, TAKE, 0) for worker in range(count)]
        self._idle, self._queue = set[int](), deque[Unit]()

    def run(self, units: Sequence[Unit], losses: Iterator[tuple[float, int]]) -> tuple[float, float]:
        """Hours until all is written, and the share of the GPUs' time in which they computed what counts."""
        self._queue.extend(units)
        events, hand, left, now, computed = self._events, self._hand, len(units), 0.0, 0.0
        lost, machine = next(losses)
        while left:
            if not events or lost < events[0][0]:
                self._lose(machine, lost)
                lost, machine = next(losses)
                continue
            now, worker, stage, life = events[0]
            if life != self._lives[worker]:
                heappop(events)
                continue
            if stage == TAKE:
                if done := hand[worker]:
                    computed += done[0] / self._speeds[worker // self._workers]
                    left -= 1
                hand[worker] = self._queue.popleft() if self._queue else None
            if unit := hand[worker]:
                heapreplace(events, (self._until(now, worker, stage, unit), worker, (stage + 1) % 4, life))
            else:
                heappop(events)
                self._idle.add(worker)
        return now / 3600, computed / (now * len(self._speeds))

    def _until(self, now: float, worker: int, stage: int, unit: Unit) -> float:
        """When the worker has got to the next stage, with what it shares reserved for it."""
        (seconds, files), gpu = unit, worker // self._workers
        if stage == TAKE:
            return now + files * FILE_S
        if stage == READ:
            free, place, takes = self._gpu_free, gpu, seconds / self._speeds[gpu]
        else:
            free, place, takes = self._link_free, gpu // MACHINE_GPUS, seconds / self._bandwidth
            takes *= READ_B if stage == OPENED else WRITTEN_B
        free[place] = max(free[place], now) + takes
        return free[place]

    def _lose(self, machine: int, now: float) -> None:
        """Puts what a machine has in hand before all else, and starts its workers again later."""
        back = self._link_free[machine] = now + BACK_AFTER_S
        first, last = (min(gpu * MACHINE_GPUS, len(self._speeds)) for gpu in (machine, machine + 1))
        for worker in range(first * self._workers, last * self._workers):
            self._gpu_free[worker // self._workers] = back
            if unit := self._hand[worker]:
                self._queue.appendleft(unit)
            self._hand[worker] = None
            self._idle.discard(worker)
            self._lives[worker] += 1
            self._events.append((back + START_S, worker, TAKE, self._lives[worker]))
        self._events += [(now, worker, TAKE, self._lives[worker]) for worker in self._idle]
        self._idle.clear()
        heapify(self._events)


@cache
def lengths_of(mix: str, hours: float, seed: int) -> np.ndarray:
    """Seconds of each recording, in the order in which they come; the last one is cut to make up the hours."""
    chance = np.random.default_rng(seed)
    if mix == "mixed":
        long = np.full(round(hours / 1000), 5 * 3600.0)
        half = (hours - long.sum() / 3600) / 2
        return chance.permutation(np.concatenate([long, *(lengths_of(one, half, seed) for one in DRAWS if one != mix)]))
    median, spread, longest = {"clips": (5, 0.5, 30), "interviews": (2700, 0.6, 18000)}[mix]
    lengths = np.minimum(chance.lognormal(math.log(median), spread, int(5400 * hours / median) + 100), longest)
    count = int(np.searchsorted(np.cumsum(lengths), hours * 3600))
    return np.append(lengths[:count], hours * 3600 - lengths[:count].sum())


@cache
def units_of(mix: str, order: str, unit: str, hours: float, seed: int) -> list[Unit]:
    """The units of work, in the order in which they are handed out."""
    lengths = lengths_of(mix, hours, seed)
    if unit != "recording":
        whole, rest = np.divmod(lengths, PIECE_S)  # the order is lost; it is made below
        lengths = np.append(np.full(int(whole.sum()), PIECE_S), rest[rest > 0])
    if order != "as they come":
        lengths = np.sort(lengths)[:: -1 if order == "longest first" else 1]
    places, long = np.arange(len(lengths)), lengths >= SHORT_S
    since = places - np.maximum.accumulate(np.where(long, places + 1, 0))  # the last long one; -1 if it is long itself
    begins = np.flatnonzero(long | (since % BLOCK == 0))
    files = np.diff(begins, append=len(lengths))
    return list(zip(np.add.reduceat(lengths, begins).tolist(), files.tolist(), strict=True))


def losses_of(machines: int, seed: Sequence[int]) -> Iterator[tuple[float, int]]:
    """When which machine is lost, without an end."""
    chance, now = np.random.default_rng(seed), 0.0
    while True:
        now += chance.exponential(LOST_EVERY_S / machines)
        yield now, int(chance.integers(machines))


def outcome(way: Way, hours: float, gpus: int, seed: int) -> np.ndarray:
    """(draws, 2) hours until the end and the share of the GPUs' time; without preemption there is one draw."""
    slow = np.random.default_rng(seed).permutation(gpus) < round(SLOW_SHARE * gpus)
    speeds = (SPEEDS[way.context] * np.where(slow, SLOW_SPEED, 1)).tolist()
    units, machines = units_of(way.mix, way.order, way.unit, hours, seed), -(-gpus // MACHINE_GPUS)
    seeds = [(seed, number) for number in range(DRAWS[way.mix])]
    losses = [losses_of(machines, one) for one in seeds] if way.preempted else [repeat((math.inf, 0))]
    return np.array([Cluster(speeds, way.workers, way.bandwidth).run(units, lost) for lost in losses])


def ways(bandwidth: float) -> Iterator[Way]:
    """All that are compared: ours, and those that differ from it."""
    for ours in (Way(*kind, bandwidth) for kind in KINDS):
        yield from (replace(ours, workers=count) for count in WORKERS)
        yield replace(ours, preempted=True)
        yield from (replace(ours, **change) for change in CHANGES.values() if ours.mix != "clips" or "order" in change)
    yield from (Way("interviews", "recording", *one) for one in product(BANDWIDTHS, WORKERS) if one[0] != bandwidth)


def draw(results: Mapping[Way, np.ndarray], bandwidth: float, title: str, picture: Path) -> None:
    """Workers, bandwidths, and other orders and units, a panel each."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    figure.suptitle(title)
    workers, bandwidths, others = figure.subplot_mosaic("ab;cc", subplot_kw={"axisbelow": True}).values()
    all_ours, more, shares = [Way(*kind, bandwidth) for kind in KINDS], {}, {}
    for name, change in CHANGES.items():
        against = [results[replace(ours, preempted="preempted" in change)] for ours in all_ours]
        found = [results.get(replace(ours, **change), np.full((1, 2), np.nan)) for ours in all_ours]
        more[name] = [100 * np.mean(way[:, 0] / other[:, 0] - 1) for way, other in zip(found, against, strict=True)]
    for count in WORKERS:
        name = f"{count} per GPU"
        shares[name] = [100 * results[replace(ours, workers=count)][0, 1] for ours in all_ours]
        line = [100 * results[Way("interviews", "recording", one, count)][0, 1] for one in BANDWIDTHS]
        bandwidths.semilogx(BANDWIDTHS, line, "o-", base=2, markersize=10 - 2 * count, label=name)
    for axis, groups in ((workers, shares), (others, more)):
        width = 0.8 / len(groups)
        for number, (label, heights) in enumerate(groups.items()):
            places = np.arange(len(KINDS)) + (number - (len(groups) - 1) / 2) * width
            axis.bar(places, heights, 0.9 * width, label=label)
        axis.set_xticks(range(len(KINDS)), ["\n".join(kind) for kind in KINDS], fontsize=8)
    workers.set(title="GPUs' time spent computing, by mix and context", ylabel="%", ylim=(0, 105))
    bandwidths.set(title="the same, interviews, context=recording", ylabel="%", ylim=(0, 105))
    bandwidths.set(xlabel="GB/s of a machine", xticks=BANDWIDTHS, xticklabels=BANDWIDTHS)
    others.set(title="time until the end, against whole recordings, longest first", ylabel="% more")
    for axis in (workers, bandwidths, others):
        axis.grid(axis="y", alpha=0.3)
        axis.legend(fontsize=8)
    figure.savefig(picture, dpi=110)


def main() -> None:
    """Prints the table and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=10_000, help="of recordings")
    parser.add_argument("--gpus", type=int, default=64)
    parser.add_argument("--bandwidth", type=float, default=1.0, help="GB/s of a machine of 8 GPUs")
    parser.add_argument("--price", type=float, default=2.5, help="of a GPU for an hour")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("pictures") / "corpus_simulation.png")
    given = parser.parse_args()
    results = {}
    print("| mix | context | GB/s | workers per GPU | order | unit | preemption | hours | GPU-hours | cost | compute |")
    print("|---" * 11 + "|")
    for way in ways(given.bandwidth):
        results[way] = outcome(way, given.hours, given.gpus, given.seed)
        hours, share = results[way].mean(axis=0)
        print(
            f"| {way.mix} | {way.context} | {way.bandwidth:g} | {way.workers} | {way.order} | {way.unit} | "
            f"{'yes' if way.preempted else 'no'} | {hours:.3f} | {hours * given.gpus:.1f} | "
            f"{hours * given.gpus * given.price:.1f} | {share:.1%} |",
            flush=True,
        )
    given.out.parent.mkdir(parents=True, exist_ok=True)
    draw(results, given.bandwidth, f"{given.hours:g} hours on {given.gpus} GPUs, w2v-BERT 2.0, simulated", given.out)


if __name__ == "__main__":
    main()
