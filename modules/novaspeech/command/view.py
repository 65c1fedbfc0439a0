"""`novaspeech view`: pages on which recordings are heard and their outputs seen."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from novaspeech.errors import require
from novaspeech.terminal.arguments import new_command
from novaspeech.terminal.outputs import add_output_arguments, read_each


def add_command(commands: Any) -> None:
    """Adds `view` to the subparsers of `novaspeech`."""
    view = new_command(commands, "view", _view, help="see and hear recordings and outputs in a browser")
    add_output_arguments(view)
    view.add_argument(
        "--out", type=Path, metavar="HTML", help="the page (default: one per recording, beside the outputs)"
    )


def _view(given: argparse.Namespace) -> int:
    """Writes a page for each recording: its sound, and all its outputs over time.

    A page is one file, and opens in any browser, without a network. Keep it beside the recording.

    Examples:
        novaspeech view results
        novaspeech view results/a.wav2vec2_kws.words.annotation --audio talks/a.wav --out a.html
    """
    with require("pages need bokeh", "novaspeech[view]"):
        from novaspeech.view.page import write_page
    for folder, tracks, thresholds, _ in read_each(given):
        page = given.out or folder / f"{tracks.name}.html"
        write_page(tracks, page, thresholds)
        print(page)
    return 0
