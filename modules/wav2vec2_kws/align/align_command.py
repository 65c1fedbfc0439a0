"""`novaspeech align`: the times at which each word of a transcript is said."""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from novaspeech.errors import RequestError
from novaspeech.terminal.arguments import add_model_arguments, add_recording_arguments, new_command, options_given


def add_command(commands: Any) -> None:
    """Adds `align` to the subparsers of `novaspeech`."""
    align = new_command(commands, "align", _align, module="wav2vec2_kws", help="find when words are said")
    add_recording_arguments(align)
    text = (
        "a transcript, such as a .txt, .srt, .eaf, .cha or .docx, or a folder of them (default: beside each recording)"
    )
    align.add_argument("--text", metavar="FILE|DIR", help=text)
    align.add_argument("--csv", action="store_true", help="comma-separated, for other programs")
    add_model_arguments(align)


def _align(given: argparse.Namespace) -> int:
    """Finds when each word of a transcript is said: of anna.wav in anna.txt, .srt, .TextGrid, .eaf and so on.

    It lists the words. --out or --format writes files, too, as `novaspeech run` does, and the same command goes on.

    Examples:
        novaspeech align a.wav a.txt
        novaspeech align talks --out results --format textgrid
        novaspeech align talks --text transcripts --csv
    """
    from novaspeech.corpus.own_inputs import TEXTS, with_own
    from novaspeech.corpus.plan import Plan
    from wav2vec2_kws.align.transcript import read_transcript
    from wav2vec2_kws.listed import list_segments

    *entries, last = given.entries
    if entries and Path(last).suffix.lower() in TEXTS:
        if given.text or len(entries) > 1:
            raise RequestError(f"{last} is the text of one recording; --text names it, or a folder of texts")
        given.text, given.entries = last, entries
    text = Path(given.text or "").expanduser()
    plan = Plan("wav2vec2_kws", options=options_given(given), outputs=["alignment"])
    if given.text and not text.is_dir():
        read_transcript(
            text, plan.options.get("tier", "")
        )  # what cannot be read ends the command before the model is loaded
        return list_segments(given, replace(plan, inputs={"transcript": str(text)}), given.entries)[0]
    own = partial(with_own, name="transcript", folder=given.text or "")
    return list_segments(given, replace(plan, own=["transcript"]), given.entries, own)[0]
