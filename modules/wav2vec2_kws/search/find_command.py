"""`novaspeech find`: the times at which a keyword is said in recordings."""

from __future__ import annotations

import argparse
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from novaspeech.errors import RequestError, quoted
from novaspeech.module.catalogue import OWN_MODEL
from novaspeech.terminal.arguments import (
    INTERRUPTED,
    add_model_arguments,
    add_recording_arguments,
    new_command,
    options_given,
)
from novaspeech.wording import COMMAND

PROBLEM = 2  # the exit status


def add_command(commands: Any) -> None:
    """Adds `find` to the subparsers of `novaspeech`."""
    find = new_command(commands, "find", _find, problem=PROBLEM, module="wav2vec2_kws", help="find keywords")
    find.add_argument(
        "keyword", metavar="KEYWORD-OR-FILE", help="words with commas between, a recording, or a classifier"
    )
    add_recording_arguments(find)
    find.add_argument("--threshold", type=float, help="lowest score, 0 to 1 (0.5)")
    find.add_argument("--tolerance", type=int, help="wrong letters that a recognised word may have (0)")
    find.add_argument("--csv", action="store_true", help="comma-separated, for other programs")
    find.add_argument("--layer", type=int, help="of the hidden states (-1: the last)")
    add_model_arguments(find)


def _find(given: argparse.Namespace) -> int:
    """Lists the places where keywords are said. Exit status: 0 found, 1 nothing found, 2 a problem.

    --out or --format writes files, too, as `novaspeech run` does, and the same command goes on.

    Examples:
        novaspeech find "money, thank you" a.wav
        novaspeech find said-once.wav talks --csv
        novaspeech find money.skops talks --out results --format eaf
    """
    options, inputs = _method_of(given.keyword)
    options |= options_given(given, "threshold", "tolerance", "layer")
    from novaspeech.corpus.plan import Plan
    from wav2vec2_kws.listed import list_segments

    if file := options.get("classifier"):
        options = _made_for(Path(file), named=options.get("model")) | options
    plan = Plan("wav2vec2_kws", options=options, outputs=["keywords"], inputs=inputs)
    status, found = list_segments(given, plan, given.entries)
    if status:
        return status if status == INTERRUPTED else PROBLEM
    if not found and not given.dry_run:
        print("novaspeech: nothing was found", file=sys.stderr)
    return int(not found)


def _made_for(file: Path, named: str | None) -> dict[str, str]:
    """Model and layer that a classifier belongs to; RequestError if its model's folder has gone and none is `named`."""
    from novaspeech.models.weights import HUB_ID, local_path
    from wav2vec2_kws.search.classifier import read_classifier

    classifier = read_classifier(file)
    model = classifier.model
    if not (named or model == OWN_MODEL or HUB_ID.fullmatch(model) or local_path(model).is_dir()):
        raise RequestError(
            f"{file} was trained with the model {quoted(model)}, which is not there; {COMMAND.option('model', 'DIR')}"
        )
    return {"model": model, "layer": str(classifier.layer)}


def _method_of(wanted: str) -> tuple[dict[str, str], dict[str, str]]:
    """Options and further inputs of a job that looks for a classifier's file, a recorded example, or keywords."""
    file = Path(wanted).expanduser()
    with suppress(OSError):  # of keywords that are longer than a file's name may be
        if file.is_file() and zipfile.is_zipfile(file):
            return {"method": "classifier", "classifier": str(file)}, {}
        if file.is_file():
            return {"method": "example"}, {"keyword": str(file)}
    if " " not in wanted and (file.suffix or len(file.parts) > 1):
        raise RequestError(f"there is no file {wanted}; give a recording of the keyword, or the keyword in letters")
    return {"keywords": wanted}, {}
