"""`novaspeech download`: weights ahead of time."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from novaspeech.errors import NovaspeechError
from novaspeech.terminal.arguments import add_model_arguments, new_command, options_given
from novaspeech.wording import COMMAND


def add_command(commands: Any) -> None:
    """Adds `download` to the subparsers of `novaspeech`."""
    download = new_command(commands, "download", _download, help="fetch models ahead of time")
    download.add_argument("module", nargs="+", help="names of modules; their published models are fetched")
    add_model_arguments(download)


def _download(given: argparse.Namespace) -> int:
    """Fetches the models of modules into the cache and loads them once, so that they are known to work.

    A connection that breaks goes on where it was. Files that are there are not fetched again; one that was being
    fetched when the command was stopped is fetched from its beginning.

    Examples:
        novaspeech download emow2v w2v_bert_2
        novaspeech download speech_encoder --model microsoft/wavlm-large
    """
    from novaspeech.api import Model
    from novaspeech.models.hub import gigabytes
    from novaspeech.module.catalogue import load_trainer, published_place

    options = options_given(given)
    known = {name: load_trainer(name).options for name in given.module}
    failed = False
    for name in given.module:
        on_cpu = {"device": "cpu"} if "device" in known[name] else {}
        try:
            model = Model(name, {**on_cpu, **options}, {}, partial(print, file=sys.stderr), COMMAND)
        except NovaspeechError as error:
            print(f"novaspeech: {name}: {error}", file=sys.stderr)
            failed = True
            continue
        place = published_place(name) if "model" not in options else Path(options["model"])
        size = sum(file.stat().st_size for file in (place, *place.rglob("*")) if file.is_file())
        where = f"{place}, {gigabytes(size)}" if size else options.get("model", "nothing to fetch")
        print(f"{name}: {where}; {', '.join(model.outputs)}")
    return int(failed)
