"""`novaspeech export emow2v`: the model as an ONNX file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from novaspeech.errors import RequestError


def add_commands(commands: Any) -> None:
    """Adds `export` to the subparsers of `novaspeech`."""
    export = commands.add_parser("export", help="write a model as ONNX", description=_export.__doc__)
    export.add_argument("module", help="its name; emow2v can be exported")
    export.add_argument("--model", help="Hub id or folder (default: the published model)")
    export.add_argument("--precision", choices=("float32", "int8"), default="float32", help="int8: for CPUs")
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="for model.onnx and model.json")
    export.set_defaults(command=_export)


def _export(given: argparse.Namespace) -> int:
    """Writes a module's model as an ONNX file, with a JSON file that says what it is and how it compares with torch."""
    from emow2v.export import export
    from novaspeech.server.catalogue import load_trainer

    if load_trainer(given.module).name != "emow2v":
        raise RequestError(f"module {given.module!r} has no export to ONNX")
    export(given.model, given.precision, given.out)
    return 0
