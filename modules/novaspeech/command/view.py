"""`novaspeech view`: pages on which recordings are heard and their outputs seen."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from novaspeech.command.arguments import new_command
from novaspeech.errors import PackageError, RequestError


def add_command(commands: Any) -> None:
    """Adds `view` to the subparsers of `novaspeech`."""
    view = new_command(commands, "view", _view, help="see and hear recordings and outputs in a browser")
    view.add_argument(
        "places", nargs="+", type=Path, metavar="DIR-OR-FILE", help=".stream and .annotation files, or folders of them"
    )
    view.add_argument("--audio", type=Path, metavar="FILE", help="the recording, if it lies elsewhere")
    view.add_argument(
        "--out", type=Path, metavar="HTML", help="the page (default: one per recording, beside the outputs)"
    )


def _view(given: argparse.Namespace) -> int:
    """Writes a page for each recording: its sound, and all its outputs over time.

    A page is one file, and opens in any browser, without a network. Keep it beside the recording.

    Examples:
        novaspeech view results
        novaspeech view results/a.words.annotation --audio talks/a.wav --out a.html
    """
    from novaspeech.batch.record import Remembered
    from novaspeech.reading import found_outputs, read_tracks

    try:
        from novaspeech.view.page import write_page
    except ImportError as error:
        raise PackageError("pages need bokeh: pip install novaspeech[view]") from error
    groups = found_outputs(given.places)
    if (given.out or given.audio) and len(groups) > 1:
        raise RequestError(f"these are outputs of {len(groups)} recordings; --out and --audio are for one")
    for (folder, name), (audio, files) in groups.items():
        page = given.out or folder / f"{name}.html"
        known = Remembered.of(folder, name)
        tracks = read_tracks(name, given.audio or audio or known.recording, files)
        write_page(tracks, page, known.thresholds)
        print(page)
    return 0
