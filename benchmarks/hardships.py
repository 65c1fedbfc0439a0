"""What a field day brings: damaged recordings, kills, full disks, many jobs at once, spoilt downloads and weights.

    python benchmarks/hardships.py [--only recordings kills …] [--minutes 10] [--seed 0] [--with-venv]
    python benchmarks/hardships.py --only recordings --seed 0 --trial 137   # one trial again

Every trial is seeded by its number, so that a single one can be made again. A section ends when its trials are done
(--count says how many, of each section) or when its share of the time is over. Of what falls short, each has a line.
Servers run on loopback; the machine's disks are only touched below a temporary folder. Root may mount small disks
there; without, limits and permissions take their place. --with-venv installs a module's environment: gigabytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# Before this script's own folder, where `byols` would mean another script.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))

if __name__ == "__main__":  # children import this file, too, and want nothing of it
    from benchmarks.hardships_parts.campaign import main

    raise SystemExit(main(__doc__ or ""))
