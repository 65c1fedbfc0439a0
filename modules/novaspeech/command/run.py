"""`novaspeech run`: a module over recordings, files beside them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novaspeech.command.arguments import pairs
from novaspeech.errors import NovaspeechError, RequestError

if TYPE_CHECKING:
    from novaspeech.hooks import Log
    from novaspeech.server.outputs import Output

_TIMES = {
    "frame": "time that one output stands for (default: the trainer's)",
    "stride": "time from one output to the next (default: the frame)",
    "left": "audio before the frame that the model also hears (default: the trainer's)",
    "right": "audio after the frame that the model also hears (default: the trainer's)",
    "end": "time at which to stop (default: the recording's end)",
}


def add_command(commands: Any) -> None:
    """Adds `run` to the subparsers of `novaspeech`."""
    run = commands.add_parser("run", help="run a module over recordings", description=_run.__doc__)
    run.add_argument("module", help="its name, as `novaspeech modules` lists it")
    run.add_argument("audio", nargs="+", type=Path, help="recordings: whatever libsndfile or ffmpeg reads")
    run.add_argument("--out", type=Path, metavar="DIR", help="where the files go (default: beside each recording)")
    for name, text in _TIMES.items():
        run.add_argument(f"--{name}", metavar="TIME", help=f"{text}, as 40ms or 1.5s")
    run.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE", dest="options", help="an option")
    run.add_argument("--input", action="append", default=[], metavar="ID=FILE", dest="inputs", help="a further input")
    run.add_argument(
        "--format",
        action="append",
        metavar="FORMAT",
        dest="formats",
        help="ssi (default), csv, parquet, npz, textgrid, eaf, srt, vtt",
    )
    run.add_argument("--output", action="append", metavar="ID", help="an output (default: those the trainer ticks)")
    run.set_defaults(command=_run)


def _run(given: argparse.Namespace) -> int:
    """Runs a module over recordings and writes what a server would: NAME.OUTPUT.stream, NAME.OUTPUT.annotation."""
    from tqdm import tqdm

    from novaspeech.command.bar import progress_bar
    from novaspeech.entry import Model
    from novaspeech.formats.files import SSI
    from novaspeech.result import files_for
    from novaspeech.server import host

    def log(line: str) -> None:
        tqdm.write(line, file=sys.stderr)

    options = pairs("--set", given.options, "OPTION=VALUE, for example --set batch_size=100")
    inputs = pairs("--input", given.inputs, "ID=FILE, for example --input reference=somebody.wav")
    windows = {name: getattr(given, name) for name in _TIMES if name != "end" and getattr(given, name)}
    host.parse_time(given.end, "end")
    _refuse_equal_targets(given.audio, given.out)
    model = Model(given.module, options, windows, log)
    outputs = model.check(given.output, inputs)
    formats = list(dict.fromkeys(given.formats or [SSI]))
    _check_formats(formats, outputs, log)
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
    failed = False
    for recording in given.audio:
        try:
            folder = given.out or recording.parent
            files_for(recording.stem, outputs, folder, formats)  # fails before the work, where it would fail after it
            with progress_bar(recording.stem) as progress:
                result = model(recording, given.output, inputs=inputs, end=given.end, progress=progress)
            result.save(folder, formats)
        except (NovaspeechError, OSError, RuntimeError, ValueError) as error:
            log(f"novaspeech: {error}")
            failed = True
    return int(failed)


def _check_formats(formats: Sequence[str], outputs: Sequence[Output], log: Log) -> None:
    """Says before the work what a format leaves out."""
    from novaspeech.formats.files import check_formats, left_out
    from novaspeech.result import kind_of

    kinds = {output.id: kind_of(output) for output in outputs}
    check_formats(formats, kinds)
    for form in formats:
        if lost := left_out(kinds, form):
            log(f"the format {form} leaves out {', '.join(lost)}; csv, parquet, npz and ssi hold all")


def _refuse_equal_targets(recordings: Sequence[Path], out: Path | None) -> None:
    taken: dict[Path, Path] = {}
    for recording in recordings:
        target = (out or recording.parent).resolve() / recording.stem
        if target in taken:
            raise RequestError(
                f"{taken[target]} and {recording} would both write {target}.*; rename one, or run them apart"
            )
        taken[target] = recording
