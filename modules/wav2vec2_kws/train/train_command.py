"""`novaspeech train-keywords`: a classifier of keywords from a folder of examples."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from novaspeech.errors import OptionError
from novaspeech.module.catalogue import OWN_MODEL
from novaspeech.terminal.arguments import add_model_arguments, load_model, new_command, options_given


def add_command(commands: Any) -> None:
    """Adds `train-keywords` to the subparsers of `novaspeech`."""
    train = new_command(commands, "train-keywords", _train_keywords, module="wav2vec2_kws", help="train a classifier")
    train.add_argument("folder", type=Path, metavar="DIR", help="holds KEYWORD/*.wav for each, and _background/*.wav")
    train.add_argument("--classifier", choices=("svm", "forest", "mlp"), default="svm", help="default: svm")
    train.add_argument("--window", default="1s", metavar="TIME", help="what is classified at once, as 800ms or 1s (1s)")
    train.add_argument("--augment", type=int, default=0, metavar="N", help="altered copies of each example (0)")
    train.add_argument("--out", type=Path, required=True, metavar="FILE", help="the classifier, for example new.skops")
    train.add_argument("--layer", type=int, help="of the hidden states (-1: the last)")
    add_model_arguments(train)


def _train_keywords(given: argparse.Namespace) -> int:
    """Trains a classifier of keywords on recorded examples, and shows how often it is wrong.

    Examples:
        novaspeech train-keywords examples --out money.skops --augment 5
    """
    from novaspeech.models.weights import local_path
    from novaspeech.times import milliseconds
    from wav2vec2_kws.train.training import train_keywords

    window_ms = milliseconds(given.window, "--window")
    if not 200 <= window_ms <= 10_000 or given.augment < 0:
        raise OptionError("--window must be a time from 200ms to 10s, --augment 0 or more")
    options = options_given(given, "layer")
    model = load_model("wav2vec2_kws", **options)
    inference = model.processor.inference(partial(print, file=sys.stderr))
    name = model.processor.options.model
    if options.get("model") == OWN_MODEL:  # which moves with us
        name = OWN_MODEL
    elif local_path(name).is_dir():  # from wherever the classifier is used
        name = str(local_path(name).absolute())
    return train_keywords(
        given.folder, given.out, inference, name, kind=given.classifier, window_ms=window_ms, copies=given.augment
    )
