"""The command `novaspeech`: the modules without a server."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from novaspeech.errors import NovaspeechError, RequestError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and gives its exit status: 0, or 1 with a line on standard error for each problem."""
    given = _parser().parse_args(arguments)
    try:
        return int(given.command(given))
    except (NovaspeechError, OSError) as error:
        print(f"novaspeech: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("novaspeech: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="novaspeech", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run a module over recordings", description=_run.__doc__)
    run.add_argument("module", help="its name, as `novaspeech modules` lists it")
    run.add_argument("audio", nargs="+", type=Path, help="recordings: whatever libsndfile or ffmpeg reads")
    run.add_argument("--out", type=Path, metavar="DIR", help="where the files go (default: beside each recording)")
    for name in ("frame", "stride", "left", "right", "end"):
        run.add_argument(f"--{name}", metavar="TIME", help=f"{_TIMES[name]}, as 40ms or 1.5s")
    run.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE", dest="options", help="an option")
    run.add_argument("--output", action="append", metavar="ID", help="an output (default: those the trainer ticks)")
    run.set_defaults(command=_run)

    plot = commands.add_parser("plot", help="draw recordings and outputs", description=_plot.__doc__)
    plot.add_argument("folder", type=Path, metavar="DIR", help="with .stream and .annotation files, and the recordings")
    plot.add_argument("--audio", type=Path, metavar="FILE", help="the recording, if it lies elsewhere")
    plot.add_argument("--out", type=Path, metavar="PNG", help="the picture (default: one per recording, in DIR)")
    plot.set_defaults(command=_plot)

    export = commands.add_parser("export", help="write a model as ONNX", description=_export.__doc__)
    export.add_argument("module", help="its name; emow2v can be exported")
    export.add_argument("--model", help="Hub id or folder (default: the published model)")
    export.add_argument("--precision", choices=("float32", "int8"), default="float32", help="int8: for CPUs")
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="for model.onnx and model.json")
    export.set_defaults(command=_export)

    modules = commands.add_parser("modules", help="list the modules", description=_modules.__doc__)
    modules.set_defaults(command=_modules)
    return parser


_TIMES = {
    "frame": "time that one output stands for (default: the trainer's)",
    "stride": "time from one output to the next (default: the frame)",
    "left": "audio before the frame that the model also hears (default: the trainer's)",
    "right": "audio after the frame that the model also hears (default: the trainer's)",
    "end": "time at which to stop (default: the recording's end)",
}


def _run(given: argparse.Namespace) -> int:
    """Runs a module over recordings and writes what a server would: NAME.OUTPUT.stream, NAME.OUTPUT.annotation."""
    from novaspeech.batch import run_module

    options = {}
    for entry in given.options:
        name, equals, value = entry.partition("=")
        if not equals:
            raise NovaspeechError(f"--set {entry!r} must be OPTION=VALUE, for example --set batch_size=100")
        options[name] = value
    times = {name: getattr(given, name) for name in _TIMES if getattr(given, name)}
    return run_module(given.module, given.audio, given.out, times, options, given.output)


def _plot(given: argparse.Namespace) -> int:
    """Draws each recording with the outputs that belong to it, one picture a recording."""
    from novaspeech.plot import plot_folder

    for picture in plot_folder(given.folder, given.audio, given.out):
        print(picture)
    return 0


def _export(given: argparse.Namespace) -> int:
    """Writes a module's model as an ONNX file, with a JSON file that says what it is and how it compares with torch."""
    from novaspeech.catalogue import MODULES, load_trainer

    load_trainer(given.module)
    if not (MODULES / given.module / "export.py").is_file():
        raise RequestError(f"module {given.module!r} has no export to ONNX")
    importlib.import_module(f"{given.module}.export").export(given.model, given.precision, given.out)
    return 0


def _modules(given: argparse.Namespace) -> int:
    """Lists modules, inputs, outputs, options and defaults, from their trainer files."""
    from novaspeech.catalogue import trainers

    for trainer in trainers():
        meta = trainer.content
        print(f"{trainer.name}\n  {meta.meta_description}")
        print(
            f"  windows  frame {meta.meta_frame_step} ms, left {meta.meta_left_ctx} ms, right {meta.meta_right_ctx} ms"
        )
        for kind, entries in (("input", trainer.inputs), ("output", trainer.outputs)):
            for entry in entries:
                off = "" if entry.io_default_active else ", off by default"
                print(f"  {kind:<8} {entry.io_id} ({entry.io_data}){off}")
        for name, default in trainer.options.items():
            print(f"  option   {name} = {default.replace(',', ' | ')}")
    return 0
