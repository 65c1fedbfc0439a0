"""Many recordings: short ones that share passes, and what a cluster costs beside plain processes.

    python -m benchmarks.many [clips] [ray] [--clips 1000] [--recordings 200]

clips: clips of 2 s of noise, as files, each by itself and together, with the small stand-ins; nothing is written. With
context=recording a window every 40 ms, else one window a clip.

ray: recordings of three lengths, the small stand-in of emow2v, context=recording: processor time of all processes,
Ray's own among them; how much of it is each way's start, from a run of two recordings; the share of two workers' time
that was spent in work between the first result and the last. Both ways must write the same bytes.
"""

from __future__ import annotations

from benchmarks.many_parts import clips, ray_cost
from benchmarks.record import Report, command_line


def main() -> None:
    """Measures what is asked."""
    parser = command_line(__doc__)
    parser.add_argument("questions", nargs="*", choices=["clips", "ray", []], help="both, if none is named")
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--recordings", type=int, default=200)
    given = parser.parse_args()
    report = Report("many", given.results)
    if not given.questions or "clips" in given.questions:
        clips.measure(report, given.clips)
    if not given.questions or "ray" in given.questions:
        ray_cost.measure(report, given.recordings)


if __name__ == "__main__":
    main()
