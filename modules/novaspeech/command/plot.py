"""`novaspeech plot`: pictures of recordings and outputs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from novaspeech.terminal.arguments import new_command
from novaspeech.terminal.outputs import add_output_arguments, read_each
from novaspeech.times import milliseconds


def add_command(commands: Any) -> None:
    """Adds `plot` to the subparsers of `novaspeech`."""
    plot = new_command(commands, "plot", _plot, help="draw recordings and outputs")
    add_output_arguments(plot)
    plot.add_argument("--out", type=Path, metavar="FILE", help="the picture (default: one per recording, beside them)")
    plot.add_argument("--format", choices=("png", "svg", "pdf"), default="png", help="of the pictures (png)")
    plot.add_argument("--from", metavar="TIME", dest="start", default="0", help="where to begin, as 1:20 or 80.5 (0)")
    plot.add_argument("--to", metavar="TIME", dest="end", help="where to end (default: the recording's end)")


def _plot(given: argparse.Namespace) -> int:
    """Draws each recording with the outputs that belong to it, one picture a recording.

    A picture has, from the top: waveform, spectrogram, scores with their gaps and thresholds, segments and words, and
    embeddings as colours: alike in colour is alike in sound. Names stand where they have room; --from and --to make
    room.

    Examples:
        novaspeech plot results
        novaspeech plot results/talk.wav2vec2_kws.words.annotation --from 1:20 --to 1:35 --out figure2.pdf
    """
    from novaspeech.view.pictures import draw_picture

    end = None if given.end is None else milliseconds(given.end, "--to") / 1000
    span = milliseconds(given.start, "--from") / 1000, end
    for folder, tracks, thresholds, _ in read_each(given):
        picture = given.out or folder / f"{tracks.name}.{given.format}"
        draw_picture(tracks, picture, span=span, thresholds=thresholds)
        print(picture)
    return 0
