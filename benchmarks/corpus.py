"""`novaspeech corpus` on Ray: what it costs beside two plain processes, and what is left when something is killed.

    python benchmarks/corpus.py [efficiency] [kills] [--recordings 200] [--kills 20] [--seed 0]

efficiency: recordings of three lengths, the small stand-in of emow2v, context=recording; processor time of all
processes, Ray's own among them; how much of it is each way's start, from a run of two recordings; the share of two
workers' time that was spent in work between the first result and the last. Both ways must write the same bytes.

kills: SIGKILL at a random moment, in turn to a worker, the driver, and a machine of a simulated cluster; results in a
folder or in a bucket of a server (moto) of whose answers a twentieth fails. What is left of a command must end by
itself; then it runs again, in half of the trials on Ray, else in one process. Each output must have the bytes of a
plain run, each recording stand in the report once, as failed if it is broken, nothing be left in part, and no process
in the end.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))

from benchmarks.corpus_parts.efficiency import efficiency
from benchmarks.corpus_parts.kills import kills
from benchmarks.machine import describe_machine


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", nargs="*", choices=["efficiency", "kills", []], help="both, if none is named")
    parser.add_argument("--recordings", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(describe_machine())
    questions = given.questions or ["efficiency", "kills"]
    if "efficiency" in questions:
        efficiency(given.recordings)
    if "kills" in questions:
        kills(given.kills, given.seed)


if __name__ == "__main__":
    main()
