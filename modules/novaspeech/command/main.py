"""The command `novaspeech`: the modules without a server."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from novaspeech.errors import NovaspeechError, OptionError, RequestError
from novaspeech.server import host


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and gives its exit status: 0, or with a line on standard error for each problem 1.

    Of `find` it is 2, since 1 means that nothing was found.
    """
    given = _parser().parse_args(arguments)
    problem: int = getattr(given, "problem", 1)
    try:
        return int(given.command(given))
    except (NovaspeechError, OSError) as error:
        print(f"novaspeech: {error}", file=sys.stderr)
        return problem
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
    run.add_argument("--input", action="append", default=[], metavar="ID=FILE", dest="inputs", help="a further input")
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

    verify = commands.add_parser("verify", help="compare speakers", description=_verify.__doc__)
    verify.add_argument("audio", nargs="*", type=Path, help="two recordings; with --against as many as you like")
    verify.add_argument("--against", nargs="+", type=Path, metavar="AUDIO", help="recordings of the other speaker")
    verify.add_argument("--trials", type=Path, metavar="FILE", help="a list, lines as `1 a.wav b.wav` (1: the same)")
    verify.add_argument("--root", type=Path, metavar="DIR", help="where the list's paths start (default: its folder)")
    verify.add_argument("--out", type=Path, metavar="PNG", help="the DET curve of a list (default: beside it)")
    verify.add_argument("--threshold", type=float, help="cosine from which on it is the same speaker (0.86)")
    verify.add_argument("--model", help="Hub id or folder (default: the published model)")
    verify.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    verify.set_defaults(command=_verify)

    find = commands.add_parser("find", help="find keywords", description=_find.__doc__)
    find.add_argument(
        "keyword", metavar="KEYWORD-OR-FILE", help="words with commas between, a recording, or a classifier"
    )
    find.add_argument("audio", nargs="+", type=Path, help="recordings to search")
    find.add_argument("--threshold", type=float, default=0.5, help="lowest score, 0 to 1 (0.5)")
    find.add_argument("--tolerance", type=int, default=0, help="wrong letters that a recognised word may have (0)")
    find.add_argument("--csv", action="store_true", help="comma-separated, for other programs")
    _add_keyword_model(find)
    find.set_defaults(command=_find, problem=2)

    train = commands.add_parser("train-keywords", help="train a classifier", description=_train_keywords.__doc__)
    train.add_argument("folder", type=Path, metavar="DIR", help="holds KEYWORD/*.wav for each, and _background/*.wav")
    train.add_argument("--classifier", choices=("svm", "forest", "mlp"), default="svm", help="default: svm")
    train.add_argument("--window", default="1s", metavar="TIME", help="what is classified at once, as 800ms or 1s (1s)")
    train.add_argument("--augment", type=int, default=0, metavar="N", help="altered copies of each example (0)")
    train.add_argument("--out", type=Path, required=True, metavar="FILE", help="the classifier, for example new.skops")
    _add_keyword_model(train)
    train.set_defaults(command=_train_keywords)

    modules = commands.add_parser("modules", help="list the modules", description=_modules.__doc__)
    modules.set_defaults(command=_modules)
    return parser


def _add_keyword_model(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", help="Hub id or folder (default: the published model)")
    command.add_argument("--layer", type=int, default=-1, help="of the hidden states (-1: the last)")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")


_TIMES = {
    "frame": "time that one output stands for (default: the trainer's)",
    "stride": "time from one output to the next (default: the frame)",
    "left": "audio before the frame that the model also hears (default: the trainer's)",
    "right": "audio after the frame that the model also hears (default: the trainer's)",
    "end": "time at which to stop (default: the recording's end)",
}


def _run(given: argparse.Namespace) -> int:
    """Runs a module over recordings and writes what a server would: NAME.OUTPUT.stream, NAME.OUTPUT.annotation."""
    from novaspeech.command.run import run_module

    options = _pairs("--set", given.options, "OPTION=VALUE, for example --set batch_size=100")
    inputs = _pairs("--input", given.inputs, "ID=FILE, for example --input reference=somebody.wav")
    times = {name: getattr(given, name) for name in _TIMES if getattr(given, name)}
    return run_module(given.module, given.audio, given.out, times, options, given.output, inputs)


def _pairs(flag: str, entries: Sequence[str], form: str) -> dict[str, str]:
    """Name → value of each entry `NAME=VALUE`."""
    pairs = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not equals:
            raise NovaspeechError(f"{flag} {entry!r} must be {form}")
        pairs[name] = value
    return pairs


def _plot(given: argparse.Namespace) -> int:
    """Draws each recording with the outputs that belong to it, one picture a recording."""
    from novaspeech.command.plot import plot_folder

    for picture in plot_folder(given.folder, given.audio, given.out):
        print(picture)
    return 0


def _export(given: argparse.Namespace) -> int:
    """Writes a module's model as an ONNX file, with a JSON file that says what it is and how it compares with torch."""
    from novaspeech.server.catalogue import MODULES, load_trainer

    load_trainer(given.module)
    if not (MODULES / given.module / "export.py").is_file():
        raise RequestError(f"module {given.module!r} has no export to ONNX")
    importlib.import_module(f"{given.module}.export").export(given.model, given.precision, given.out)
    return 0


def _verify(given: argparse.Namespace) -> int:
    """Says whether two recordings have the same speaker, or with --trials how often such an answer is wrong."""
    first, second = (given.audio, given.against) if given.against else (given.audio[:1], given.audio[1:])
    pair = bool(first and second) and (given.against is not None or len(second) == 1)
    listed = given.trials is not None and not (given.audio or given.against or given.threshold is not None)
    if not listed and (not pair or given.trials or given.root or given.out):
        raise RequestError(
            "verify takes two recordings, or some --against some, and --threshold; or --trials FILE, --root and --out"
        )
    if given.threshold is not None and not -1 <= given.threshold <= 1:
        raise OptionError(f"--threshold is {given.threshold}; it must be a cosine, from -1 to 1")
    module = importlib.import_module("wav2vec2_sv.commands")
    encoder = module.load_encoder(given.model, given.device)
    if listed:
        return int(module.verify_trials(given.trials, given.root, encoder, given.out))
    return int(module.verify(first, second, encoder, given.threshold))


def _find(given: argparse.Namespace) -> int:
    """Lists the places where keywords are said. Exit status: 0 found, 1 nothing found, 2 a problem."""
    if not 0 <= given.threshold <= 1:
        raise OptionError(f"--threshold is {given.threshold}; it must be 0 to 1")
    if not 0 <= given.tolerance <= 3:
        raise OptionError(f"--tolerance is {given.tolerance}; it must be 0 to 3 letters")
    module = importlib.import_module("wav2vec2_kws.find")
    encoder = module.load_encoder(given.model, given.layer, given.device)
    search = module.make_search(given.keyword, encoder, given.tolerance)
    return int(module.find(search, given.audio, encoder, threshold=given.threshold, as_csv=given.csv))


def _train_keywords(given: argparse.Namespace) -> int:
    """Trains a classifier of keywords on recorded examples, and shows how often it is wrong."""
    parse = host.module("utils.string_utils").parse_time_string_to_ms
    try:
        window_ms = int(parse(given.window, suppress_warn=True))
    except ValueError:
        window_ms = 0
    if not 200 <= window_ms <= 10_000 or given.augment < 0:
        raise OptionError("--window must be a time from 200ms to 10s, --augment 0 or more")
    module = importlib.import_module("wav2vec2_kws.find")
    encoder = module.load_encoder(given.model, given.layer, given.device)
    train = importlib.import_module("wav2vec2_kws.train").train_keywords
    return int(
        train(
            given.folder,
            given.out,
            encoder,
            given.model or module.PUBLISHED,
            kind=given.classifier,
            window_ms=window_ms,
            copies=given.augment,
        )
    )


def _modules(given: argparse.Namespace) -> int:
    """Lists modules, inputs, outputs, options and defaults, from their trainer files."""
    from novaspeech.server.catalogue import trainers

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
