"""How `novaspeech corpus` would go through 10,000 hours on 64 GPUs: workers, order, unit of work, preemption.

    python benchmarks/corpus_simulation.py [--hours 10000] [--gpus 64] [--price 2.5] [--seed 0] [--picture FILE]

A simulation, no measurement. What it takes for granted:

- A worker reads a recording, computes and writes. A GPU computes for one of its workers at a time, in the order in
  which they come; meanwhile the others read and write.
- Speeds are those of w2v-BERT 2.0 on an H100 in bfloat16 (BENCHMARKS.md): 1394 times real time with
  context=recording, 186 with context=window. Three GPUs in a hundred run at 60 % of it.
- 32 kB are read and 102.4 kB written for each second (1024 float32 numbers, 25 times a second), at 150 MB/s for each
  worker, or its part of the 3 GB/s that a machine of 8 GPUs has. A file takes 50 ms more to open, handling 3.5 ms.
- A worker starts in 20 s. With preemption a machine is lost once in 2 hours on average, for 5 minutes; what it had in
  hand is done again.
- Recordings of less than a minute are handed out 16 at a time. Lengths are log-normal: clips around 5 s; interviews
  around 45 min, at most 5 h; mixed has half of the hours of each, and ten recordings of 5 h.
"""

from __future__ import annotations

import argparse
import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
CONTEXTS = {"recording": 1394.0, "window": 186.0}  # times real time
SHARE_OF_SLOW, SLOW = 0.03, 0.6
READ, WRITTEN, STREAM, MACHINE = 32e3, 102.4e3, 150e6, 3e9  # bytes a second: of audio twice, of a worker, of a machine
OPENING_S, HANDLING_S, STARTING_S = 0.05, 0.0035, 20.0
GPUS_OF_A_MACHINE, LOST_AFTER_S, BACK_AFTER_S = 8, 7200.0, 300.0
PIECE_S, BLOCK = 1800.0, 16

Lengths = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """A way to go through a corpus."""

    mix: str
    context: str
    workers: int = 2
    order: str = "longest first"
    unit: str = "recording"
    preempted: bool = False


@dataclass
class Found:
    """What came of it.

    Attributes:
        hours: until the last recording has ended.
        share: of the GPUs' time that was spent in computing what counts.
    """

    hours: float
    share: float


@dataclass
class Farm:
    """GPUs and their workers, and what they do."""

    speeds: Lengths
    plan: Plan
    queue: deque[tuple[float, int]]  # seconds and files of what is handed out at once
    losses: Iterator[tuple[float, int]]
    events: list[tuple[float, int, int, str]] = field(default_factory=list)  # when, which worker, its life, what

    def __post_init__(self) -> None:
        count = len(self.speeds) * self.plan.workers
        self.free = [0.0] * len(self.speeds)
        self.life, self.hand = [0] * count, [(0.0, 0)] * count
        self.rate = min(STREAM, MACHINE / (GPUS_OF_A_MACHINE * self.plan.workers))
        self.events = [(STARTING_S, worker, 0, "free") for worker in range(count)]
        self.idle: set[int] = set()

    def run(self) -> Found:
        """Goes through the queue."""
        end = useful = 0.0
        lost, machine = next(self.losses)
        waiting = sum(files for _, files in self.queue)
        while waiting:
            if not self.events or lost < self.events[0][0]:
                self._lose(machine, lost)
                lost, machine = next(self.losses)
                continue
            now, worker, life, what = heapq.heappop(self.events)
            if life != self.life[worker]:
                continue
            if what == "read":
                self._compute(worker, now)
                continue
            if what == "written":
                seconds, files = self.hand[worker]
                useful += seconds / self.speeds[worker // self.plan.workers]
                waiting, end, self.hand[worker] = waiting - files, now, (0.0, 0)
            self._take(worker, now)
        return Found(end / 3600, useful / (len(self.speeds) * end))

    def _take(self, worker: int, now: float) -> None:
        if not self.queue:
            self.idle.add(worker)
            return
        seconds, files = self.hand[worker] = self.queue.popleft()
        takes = files * (OPENING_S + HANDLING_S) + seconds * READ / self.rate
        heapq.heappush(self.events, (now + takes, worker, self.life[worker], "read"))

    def _compute(self, worker: int, now: float) -> None:
        gpu, (seconds, files) = worker // self.plan.workers, self.hand[worker]
        self.free[gpu] = max(self.free[gpu], now) + seconds / self.speeds[gpu]
        written = self.free[gpu] + files * OPENING_S + seconds * WRITTEN / self.rate
        heapq.heappush(self.events, (written, worker, self.life[worker], "written"))

    def _lose(self, machine: int, now: float) -> None:
        """Gives back what a machine's workers have in hand, and starts them again later."""
        back = now + BACK_AFTER_S + STARTING_S
        for gpu in range(machine * GPUS_OF_A_MACHINE, min((machine + 1) * GPUS_OF_A_MACHINE, len(self.speeds))):
            self.free[gpu] = back
            for worker in range(gpu * self.plan.workers, (gpu + 1) * self.plan.workers):
                if self.hand[worker][1]:
                    self.queue.appendleft(self.hand[worker])
                self.hand[worker] = (0.0, 0)
                self.life[worker] += 1
                self.idle.discard(worker)
                heapq.heappush(self.events, (back, worker, self.life[worker], "free"))
        for worker in self.idle:
            heapq.heappush(self.events, (now, worker, self.life[worker], "free"))
        self.idle.clear()


def lengths_of(mix: str, hours: float, chance: np.random.Generator) -> Lengths:
    """Seconds of each recording of a corpus, in no order."""
    if mix == "mixed":
        long = np.full(10, 5 * 3600.0)
        rest = hours - long.sum() / 3600
        parts = [long, *(lengths_of(kind, rest / 2, chance) for kind in ("clips", "interviews"))]
        return chance.permutation(np.concatenate(parts))
    middle, spread, most = {"clips": (5.0, 0.5, 30.0), "interviews": (2700.0, 0.6, 5 * 3600.0)}[mix]
    count = round(hours * 3600 / middle)
    lengths = np.minimum(chance.lognormal(np.log(middle), spread, count), most)
    return lengths[: int(np.searchsorted(np.cumsum(lengths), hours * 3600)) + 1]


def handed_out(lengths: Lengths, plan: Plan) -> deque[tuple[float, int]]:
    """What is handed out at once, in the plan's order: seconds and files."""
    if plan.unit != "recording":
        whole = (lengths // PIECE_S).astype(int)
        lengths = np.concatenate([np.full(whole.sum(), PIECE_S), lengths - whole * PIECE_S])
    if plan.order != "as they come":
        lengths = np.sort(lengths)[:: -1 if plan.order == "longest first" else 1]
    short = lengths[lengths < 60]
    blocks = [
        (float(short[begin : begin + BLOCK].sum()), min(BLOCK, len(short) - begin))
        for begin in range(0, len(short), BLOCK)
    ]
    alone = [(float(seconds), 1) for seconds in lengths[lengths >= 60]]
    return deque(blocks + alone if plan.order == "shortest first" else alone + blocks)


def losses(machines: int, preempted: bool, chance: np.random.Generator) -> Iterator[tuple[float, int]]:
    """When which machine is lost, for ever."""
    now = 0.0
    while True:
        now += chance.exponential(LOST_AFTER_S / machines) if preempted else np.inf
        yield now, int(chance.integers(machines))


def plans() -> Iterator[Plan]:
    """Those that are compared: what we do, and what is different in one way."""
    for mix in ("clips", "interviews", "mixed"):
        for context in CONTEXTS:
            ours = Plan(mix, context)
            yield ours
            yield from (replace(ours, workers=workers) for workers in (1, 3))
            yield from (replace(ours, order=order) for order in ("as they come", "shortest first"))
            yield replace(ours, preempted=True)
            if mix != "clips":
                yield from (replace(ours, unit="30 min", preempted=preempted) for preempted in (False, True))


def draw(results: dict[Plan, Found], picture: Path) -> None:
    """The share of the GPUs' time by workers, and what other orders cost."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    shares, orders = figure.subplots(1, 2)
    kinds = [(mix, context) for mix in ("clips", "interviews", "mixed") for context in CONTEXTS]
    names = [f"{mix}\n{context}" for mix, context in kinds]
    for number, workers in enumerate((1, 2, 3)):
        values = [100 * results[Plan(*kind, workers=workers)].share for kind in kinds]
        label = f"{workers} worker{'s' * (workers > 1)} a GPU"
        shares.bar(np.arange(len(kinds)) + (number - 1) * 0.27, values, 0.25, label=label)
    for number, order in enumerate(("as they come", "shortest first")):
        more = [results[Plan(*kind, order=order)].hours / results[Plan(*kind)].hours - 1 for kind in kinds]
        orders.bar(np.arange(len(kinds)) + (number - 0.5) * 0.27, 100 * np.array(more), 0.25, label=order)
    shares.set(title="GPUs' time spent in computing", ylabel="%", ylim=(0, 105))
    orders.set(title="time until the end, beside longest first", ylabel="% more")
    for axes in (shares, orders):
        axes.set_xticks(range(len(kinds)), names, fontsize=8)
        axes.legend(frameon=False, loc="upper left")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=110)


def main() -> None:
    """Prints the table and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=10_000)
    parser.add_argument("--gpus", type=int, default=64)
    parser.add_argument("--price", type=float, default=2.5, help="of a GPU for an hour")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, default=ROOT / "benchmarks/pictures/corpus_simulation.png")
    given = parser.parse_args()
    corpora = {
        mix: lengths_of(mix, given.hours, np.random.default_rng(given.seed)) for mix in ("clips", "interviews", "mixed")
    }
    results: dict[Plan, Found] = {}
    columns = "mix | context | workers a GPU | order | unit | preemption | hours | GPU hours | cost | GPUs' time"
    print(f"| {columns} |\n|{'---|' * 10}")
    for plan in plans():
        chance = np.random.default_rng(given.seed)
        speeds = CONTEXTS[plan.context] * np.where(chance.random(given.gpus) < SHARE_OF_SLOW, SLOW, 1.0)
        lost = losses(-(-given.gpus // GPUS_OF_A_MACHINE), plan.preempted, chance)
        found = results[plan] = Farm(speeds, plan, handed_out(corpora[plan.mix], plan), lost).run()
        spent = found.hours * given.gpus
        print(
            f"| {plan.mix} | {plan.context} | {plan.workers} | {plan.order} | {plan.unit} | "
            f"{'yes' if plan.preempted else '–'} | "
            f"{found.hours:.3f} | {spent:.1f} | {spent * given.price:.0f} | {found.share:.1%} |",
            flush=True,
        )
    draw(results, given.picture)


if __name__ == "__main__":
    main()
