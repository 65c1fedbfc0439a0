"""`novaspeech run`: a module over recordings, files beside them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from novaspeech.command.arguments import pairs
from novaspeech.errors import NovaspeechError, RequestError

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
    run.add_argument("--output", action="append", metavar="ID", help="an output (default: those the trainer ticks)")
    run.set_defaults(command=_run)


def _run(given: argparse.Namespace) -> int:
    """Runs a module over recordings and writes what a server would: NAME.OUTPUT.stream, NAME.OUTPUT.annotation."""
    options = pairs("--set", given.options, "OPTION=VALUE, for example --set batch_size=100")
    inputs = pairs("--input", given.inputs, "ID=FILE, for example --input reference=somebody.wav")
    times = {name: getattr(given, name) for name in _TIMES if getattr(given, name)}
    return run_module(given.module, given.audio, given.out, times, options, given.output, inputs)


def run_module(
    module: str,
    recordings: Sequence[Path],
    out: Path | None = None,
    times: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    outputs: Sequence[str] | None = None,
    inputs: Mapping[str, str] | None = None,
) -> int:
    """Writes a module's outputs for each recording, named `NAME.OUTPUT.stream` or `.annotation`.

    Args:
        module: its name.
        recordings: audio files.
        out: the folder for the outputs; None is that of each recording.
        times: any of frame, stride, left, right, end, as "40ms" or "1.5s".
        options: the module's options.
        outputs: ids of outputs; None takes those that the trainer ticks.
        inputs: id → file of further inputs, the same for all recordings.

    Returns:
        0 if all went well, 1 if a recording failed; the reasons are then on standard error.

    Raises:
        RequestError: no such module, time, output or input, or two recordings would write the same files.
        OptionError, WeightsError: wrong options, or a model that cannot be had.
    """
    from tqdm import tqdm

    from novaspeech.command.bar import progress_bar
    from novaspeech.entry import Model
    from novaspeech.server import host

    def log(line: str) -> None:
        tqdm.write(line, file=sys.stderr)

    windows = dict(times or {})
    end = windows.pop("end", None)
    host.parse_time(end, "end")
    _refuse_equal_targets(recordings, out)
    model = Model(module, options or {}, windows, log)
    model.check(outputs, inputs or {})
    if out:
        out.mkdir(parents=True, exist_ok=True)
    failed = False
    for recording in recordings:
        try:
            with progress_bar(recording.stem) as progress:
                result = model(recording, outputs, inputs=inputs, end=end, progress=progress)
            result.save(out or recording.parent)
        except (NovaspeechError, OSError, RuntimeError, ValueError) as error:
            log(f"novaspeech: {error}")
            failed = True
    return int(failed)


def _refuse_equal_targets(recordings: Sequence[Path], out: Path | None) -> None:
    taken: dict[Path, Path] = {}
    for recording in recordings:
        target = (out or recording.parent).resolve() / recording.stem
        if target in taken:
            raise RequestError(
                f"{taken[target]} and {recording} would both write {target}.*; rename one, or run them apart"
            )
        taken[target] = recording
