"""`novaspeech align`: the times at which each word of a transcript is said."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from novaspeech.terminal.arguments import add_model_arguments, new_command
from novaspeech.wording import COMMAND
from wav2vec2_kws.table import row_writer

COLUMNS = ("start", "end", "word", "confidence")


def add_command(commands: Any) -> None:
    """Adds `align` to the subparsers of `novaspeech`."""
    align = new_command(commands, "align", _align, help="find when words are said")
    align.add_argument("audio", type=Path, metavar="AUDIO", help="the recording")
    align.add_argument("text", type=Path, metavar="TEXT", help="a .txt, .srt, .vtt, .TextGrid or .annotation")
    align.add_argument("--csv", action="store_true", help="comma-separated, for other programs")
    align.add_argument("--out", type=Path, metavar="DIR", help="also writes NAME.wav2vec2_kws.alignment.annotation")
    align.add_argument("--overwrite", action="store_true", help="replace what is there")
    add_model_arguments(align)


def _align(given: argparse.Namespace) -> int:
    """Finds when each word of a transcript is said in a recording.

    Examples:
        novaspeech align a.wav a.txt
        novaspeech align a.wav a.TextGrid --out results --csv
    """
    from tqdm import tqdm

    from novaspeech.api import Model
    from novaspeech.terminal.bar import progress_bar
    from wav2vec2_kws.align.transcript import read_transcript

    words = read_transcript(given.text)  # a bad transcript ends the command before the model is loaded
    # print would break the bar.
    log = partial(tqdm.write, file=sys.stderr)
    model = Model("wav2vec2_kws", {"model": given.model, "device": given.device}, {}, log, COMMAND)
    with progress_bar(given.audio.name) as progress:
        result = model(given.audio, ["alignment"], inputs={"transcript": given.text}, progress=progress)
    width = max(map(len, [*words, COLUMNS[2]]))
    write = row_writer(f"{{:>9}}  {{:>9}}  {{:<{width}}}  {{:>10}}", as_csv=given.csv)
    write(COLUMNS)
    for word in result["alignment"]:
        times = (f"{ms / 1000:.3f}" for ms in (word.start_ms, word.end_ms))
        write((*times, word.name, f"{word.confidence:.3f}"))
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        result.save(given.out, overwrite=given.overwrite)
    return 0
