"""Arguments that several commands have."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novaspeech.errors import RequestError
from novaspeech.wording import COMMAND

if TYPE_CHECKING:
    from novaspeech.api import Model
    from novaspeech.corpus.plan import Plan

INTERRUPTED = 130  # the exit status that shells give programs ended by Ctrl-C
_WINDOWS = {
    "frame": "time that one output stands for (default: the trainer's)",
    "stride": "time from one output to the next (default: the frame)",
    "left": "audio before the frame that the model also hears (default: the trainer's)",
    "right": "audio after the frame that the model also hears (default: the trainer's)",
}
_END, _AS = "time at which to stop (default: the recording's end)", "as 0.04, 40ms or 1:05"

_SET = "OPTION=VALUE, for example --set batch_size=100"


def new_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    help: str,  # noqa: A002 - argparse's name
    **more: Any,
) -> argparse.ArgumentParser:
    """A new parser among those of `novaspeech`; the docstring of `run` describes it, with examples at its end."""
    description, _, examples = (inspect.getdoc(run) or "").partition("\n\nExamples:\n")
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help,
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=run, **more)
    return parser


def add_model_arguments(command: argparse.ArgumentParser) -> None:
    """The arguments of the model and of all other options, as `options_given` takes them."""
    add = command.add_argument
    add("--model", help="Hub id or folder, or small (default: the published model)")
    add("--device", help="auto (default), cpu, cuda or mps")
    add("--set", action="append", default=[], metavar="OPTION=VALUE", dest="options", help="any other option")


def options_given(given: argparse.Namespace, *names: str) -> dict[str, str]:
    """Options that the arguments of `add_model_arguments` name, and arguments called as options.

    Raises:
        RequestError: --set has no value, or another one than an argument of the same name.
    """
    options = pairs("--set", given.options, _SET)
    for name in ("model", "device", *names):
        value = getattr(given, name)
        if value is not None and options.setdefault(name, str(value)) != str(value):
            raise RequestError(f"--{name} {value} and --set {name}={options[name]} differ; give one")
    return options


def add_recording_arguments(command: argparse.ArgumentParser, entries: str = "entries", **more: Any) -> None:
    """The arguments of recordings and their results, as `novaspeech.terminal.work` takes them."""
    add = command.add_argument
    add(
        entries,
        nargs="+",
        metavar="INPUT",
        help="a recording, folder, pattern, manifest (.jsonl, .csv, .tsv, .parquet), URL, or @FILE with one a line",
        **more,
    )
    add("--end", metavar="TIME", help=f"{_END}, {_AS}")
    add("--out", default="", metavar="DIR|URL", help="where results go (default: beside each recording)")
    add(
        "--format",
        action="append",
        metavar="FORMAT",
        dest="formats",
        help="ssi (default), csv, parquet, audformat, npz, npy, textgrid, eaf, srt, vtt",
    )
    add("--anew", action="store_true", help="make also what is there already")
    add("--overwrite", action="store_true", help="replace what other options, another module or a person made")
    add("--retry-failed", action="store_true", help="of recordings into --out, do again what failed")
    add("--dry-run", action="store_true", help="say what would be done, and do nothing")
    add("--report", type=Path, metavar="FILE", help="what became of each recording, as JSON lines")
    add("--root", metavar="DIR", help="folder from which on tables name recordings (default: as you give them)")
    add("--jobs", type=int, default=1, metavar="N", help="processes, for CPUs with many cores (1)")
    add("--shard", default="", metavar="I/N", help="only the I-th of N parts, for SLURM and Kubernetes")
    add("--engine", choices=["ray"], help="what hands out the work on a cluster, or to all of this machine")
    add("--workers-per-gpu", type=int, default=2, metavar="N", help="processes of --engine ray that share a GPU (2)")


def add_plan_arguments(command: argparse.ArgumentParser) -> None:
    """The arguments of a module, its windows, inputs and outputs, as `plan_of` takes them."""
    add = command.add_argument
    add("module", help="its name, as `novaspeech modules` lists it")
    for name, text in _WINDOWS.items():
        add(f"--{name}", metavar="TIME", help=f"{text}, {_AS}")
    add(
        "--input",
        action="append",
        default=[],
        metavar="ID=FILE|DIR",
        dest="inputs",
        help="a further input; of a folder each recording has the file with its name",
    )
    add(
        "--output",
        action="append",
        metavar="ID",
        help="an output (default: those that `novaspeech modules` does not call off)",
    )
    add("--dtype", choices=["float32", "float16"], default="float32", help="of the numbers in npy (float32)")
    add(
        "--together", type=int, default=1, metavar="N", help="short recordings that share passes, which rounds anew (1)"
    )


def add_summary_arguments(command: argparse.ArgumentParser) -> None:
    """The arguments of what one table of many recordings has rows for."""
    add = command.add_argument
    add("--summary", default="", metavar="STATISTICS", help="of the table's windows, as mean,std,min,max,p10,p90")
    add("--segments", default="", metavar="FILE|DIR", help="what --summary has a row for (default: each recording)")


def check_module(given: argparse.Namespace) -> None:
    """Raises RequestError or OptionError for a wrong module or option, in less time than what computes is imported."""
    from novaspeech.module.catalogue import load_trainer, options_of

    options_of(load_trainer(given.module).name).parse(options_given(given))


def plan_of(given: argparse.Namespace) -> Plan:
    """The plan that the arguments of `add_plan_arguments` ask for."""
    from novaspeech.corpus.plan import Plan

    return Plan(
        given.module,
        options=options_given(given),
        windows={name: getattr(given, name) for name in _WINDOWS if getattr(given, name)},
        outputs=given.output,
        inputs=pairs("--input", given.inputs, "ID=FILE, for example --input reference=somebody.wav"),
        end=given.end,
        formats=tuple(dict.fromkeys(given.formats or ["ssi"])),
        dtype=given.dtype,
        out=given.out,
        together=given.together,
    )


def load_model(module: str, **options: Any) -> Model:
    """A module for a command of its own. Log lines of loading go to standard error, later ones nowhere."""
    from novaspeech.api import Model

    model = Model(module, options, {}, partial(print, file=sys.stderr), COMMAND)
    model.processor.log = lambda line: None  # lines about each recording would stand between the command's own
    return model


def pairs(flag: str, entries: Sequence[str], form: str) -> dict[str, str]:
    """Name → value of each entry `NAME=VALUE`; RequestError for one without "="."""
    found: dict[str, str] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not equals:
            raise RequestError(f"{flag} {entry!r} must be {form}")
        if flag == "--input" and found.get(name, value) != value:  # of options the last one holds
            raise RequestError(f"{flag} {name}= is given twice, {found[name]!r} and {value!r}; give one")
        found[name] = value
    return found
