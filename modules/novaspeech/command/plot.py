"""`novaspeech plot`: pictures of recordings and outputs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from novaspeech.command.arguments import new_command


def add_command(commands: Any) -> None:
    """Adds `plot` to the subparsers of `novaspeech`."""
    plot = new_command(commands, "plot", _plot, help="draw recordings and outputs")
    plot.add_argument("folder", type=Path, metavar="DIR", help="with .stream and .annotation files, and the recordings")
    plot.add_argument("--audio", type=Path, metavar="FILE", help="the recording, if it lies elsewhere")
    plot.add_argument("--out", type=Path, metavar="PNG", help="the picture (default: one per recording, in DIR)")


def _plot(given: argparse.Namespace) -> int:
    """Draws each recording with the outputs that belong to it, one picture a recording.

    Examples:
        novaspeech plot results
        novaspeech plot results --audio talks/a.wav --out a.png
    """
    from novaspeech.command.pictures import plot_folder

    for picture in plot_folder(given.folder, given.audio, given.out):
        print(picture)
    return 0
