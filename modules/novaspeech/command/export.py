"""`novaspeech export`: a module's model for onnxruntime."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
from typing import Any

from novaspeech.errors import RequestError
from novaspeech.terminal.arguments import add_model_arguments, new_command, options_given
from novaspeech.wording import COMMAND


def add_command(commands: Any) -> None:
    """Adds `export` to the subparsers of `novaspeech`."""
    export = new_command(commands, "export", _export, help="write a model for onnxruntime")
    export.add_argument("module", help="its name")
    add_model_arguments(export)
    export.add_argument("--precision", choices=("float32", "int8"), default="float32", help="int8: for CPUs")
    export.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where to; --set backend=onnx --set model=DIR runs it"
    )


def _export(given: argparse.Namespace) -> int:
    """Writes a module's model into a folder for backend=onnx, with a JSON file that says how it compares with torch.

    Examples:
        novaspeech export emow2v --out emow2v-onnx
        novaspeech export w2v_bert_2 --precision int8 --out w2v-int8
    """
    from novaspeech.inference.encoder import Encoder
    from novaspeech.inference.export import export, made_with
    from novaspeech.module.backend_options import BackendOptions
    from novaspeech.module.catalogue import load_processor, load_trainer, options_of

    trainer = load_trainer(given.module)
    if not issubclass(options_of(trainer.name), BackendOptions):
        raise RequestError(f"module {given.module!r} has no export to ONNX")
    packages = made_with()
    options = {"device": "cpu", "precision": "float32"} | options_given(given)
    processor = load_processor(trainer, options, print, COMMAND)
    assert processor.encoder.model is not None
    folder = processor.encoder.model.folder

    def reopen(place: Path) -> Encoder:
        options = {"device": "cpu", "backend": "onnx", "model": str(place)}
        return load_processor(trainer, options, lambda line: None, COMMAND).encoder

    about = {
        "source": processor.options.model,
        "revision": folder.name if folder.parent.name == "snapshots" else None,
        "made_by": f"novaspeech export {trainer.name}, {datetime.date.today()}",
        "made_with": packages,
    }
    export(processor.encoder, reopen, given.precision, given.out, about, print)
    return 0
