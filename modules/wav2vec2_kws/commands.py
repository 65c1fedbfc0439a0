"""`novaspeech find`, `novaspeech align` and `novaspeech train-keywords`."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from novaspeech.errors import OptionError
from novaspeech.terminal.arguments import add_model_arguments, load_model, new_command


def add_commands(commands: Any) -> None:
    """Adds `find`, `align` and `train-keywords` to the subparsers of `novaspeech`."""
    find = new_command(commands, "find", _find, problem=2, help="find keywords")
    find.add_argument(
        "keyword", metavar="KEYWORD-OR-FILE", help="words with commas between, a recording, or a classifier"
    )
    find.add_argument("audio", nargs="+", type=Path, help="recordings to search")
    find.add_argument("--threshold", type=float, default=0.5, help="lowest score, 0 to 1 (0.5)")
    find.add_argument("--tolerance", type=int, default=0, help="wrong letters that a recognised word may have (0)")
    find.add_argument("--csv", action="store_true", help="comma-separated, for other programs")

    align = new_command(commands, "align", _align, help="find when words are said")
    align.add_argument("audio", type=Path, metavar="AUDIO", help="the recording")
    align.add_argument("text", type=Path, metavar="TEXT", help="a .txt, .srt, .vtt, .TextGrid or .annotation")
    align.add_argument("--csv", action="store_true", help="comma-separated, for other programs")
    align.add_argument("--out", type=Path, metavar="DIR", help="also writes NAME.alignment.annotation there")

    train = new_command(commands, "train-keywords", _train_keywords, help="train a classifier")
    train.add_argument("folder", type=Path, metavar="DIR", help="holds KEYWORD/*.wav for each, and _background/*.wav")
    train.add_argument("--classifier", choices=("svm", "forest", "mlp"), default="svm", help="default: svm")
    train.add_argument("--window", default="1s", metavar="TIME", help="what is classified at once, as 800ms or 1s (1s)")
    train.add_argument("--augment", type=int, default=0, metavar="N", help="altered copies of each example (0)")
    train.add_argument("--out", type=Path, required=True, metavar="FILE", help="the classifier, for example new.skops")

    for command in (find, train):
        command.add_argument("--layer", type=int, default=-1, help="of the hidden states (-1: the last)")
    for command in (find, align, train):
        add_model_arguments(command)


def _find(given: argparse.Namespace) -> int:
    """Lists the places where keywords are said. Exit status: 0 found, 1 nothing found, 2 a problem.

    Examples:
        novaspeech find "money, thank you" a.wav
        novaspeech find said-once.wav talk.wav --csv
        novaspeech find money.skops talk.wav
    """
    from wav2vec2_kws.search.find_command import find

    if not 0 <= given.threshold <= 1:
        raise OptionError(f"--threshold is {given.threshold}; it must be 0 to 1")
    if not 0 <= given.tolerance <= 3:
        raise OptionError(f"--tolerance is {given.tolerance}; it must be 0 to 3 letters")
    options = {name: getattr(given, name) for name in ("model", "layer", "device", "threshold", "tolerance")}
    return find(given.keyword, given.audio, as_csv=given.csv, **options)


def _align(given: argparse.Namespace) -> int:
    """Finds when each word of a transcript is said in a recording.

    Examples:
        novaspeech align a.wav a.txt
        novaspeech align a.wav a.TextGrid --out results --csv
    """
    from wav2vec2_kws.align.align_command import align_transcript

    options = {"model": given.model, "device": given.device}
    return align_transcript(given.audio, given.text, as_csv=given.csv, out=given.out, **options)


def _train_keywords(given: argparse.Namespace) -> int:
    """Trains a classifier of keywords on recorded examples, and shows how often it is wrong.

    Examples:
        novaspeech train-keywords examples --out money.skops --augment 5
    """
    from novaspeech.server import host
    from wav2vec2_kws.train.training import train_keywords

    window_ms = host.parse_time(given.window, "--window")
    if not 200 <= window_ms <= 10_000 or given.augment < 0:
        raise OptionError("--window must be a time from 200ms to 10s, --augment 0 or more")
    model = load_model("wav2vec2_kws", model=given.model, layer=given.layer, device=given.device)
    inference, name = model.processor.inference(partial(print, file=sys.stderr)), model.processor.options.model
    return train_keywords(
        given.folder, given.out, inference, name, kind=given.classifier, window_ms=window_ms, copies=given.augment
    )
