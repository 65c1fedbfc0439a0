"""Arguments that several commands have."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from novaspeech.errors import RequestError
from novaspeech.wording import COMMAND

if TYPE_CHECKING:
    from novaspeech.api import Model
    from novaspeech.corpus.plan import Plan

_TIMES = {
    "frame": "time that one output stands for (default: the trainer's)",
    "stride": "time from one output to the next (default: the frame)",
    "left": "audio before the frame that the model also hears (default: the trainer's)",
    "right": "audio after the frame that the model also hears (default: the trainer's)",
    "end": "time at which to stop (default: the recording's end)",
}

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
    """Adds the arguments `model` and `device`."""
    command.add_argument("--model", help="Hub id or folder (default: the published model)")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")


def add_plan_arguments(command: argparse.ArgumentParser) -> None:
    """The arguments of what to do with recordings, as `plan_of` takes them."""
    add = command.add_argument
    add("module", help="its name, as `novaspeech modules` lists it")
    for name, text in _TIMES.items():
        add(f"--{name}", metavar="TIME", help=f"{text}, as 0.04, 40ms or 1:05")
    add("--set", action="append", default=[], metavar="OPTION=VALUE", dest="options", help="an option")
    add("--input", action="append", default=[], metavar="ID=FILE", dest="inputs", help="a further input")
    add(
        "--output",
        action="append",
        metavar="ID",
        help="an output (default: those that `novaspeech modules` does not call off)",
    )
    add("--out", default="", metavar="DIR|URL", help="where results go (default: beside each recording)")
    add(
        "--format",
        action="append",
        metavar="FORMAT",
        dest="formats",
        help="ssi (default), csv, parquet, audformat, npz, npy, textgrid, eaf, srt, vtt",
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

    options_of(load_trainer(given.module).name).parse(pairs("--set", given.options, _SET))


def plan_of(given: argparse.Namespace) -> Plan:
    """The plan that the arguments of `add_plan_arguments` ask for."""
    from novaspeech.corpus.plan import Plan

    return Plan(
        given.module,
        options=pairs("--set", given.options, _SET),
        windows={name: getattr(given, name) for name in _TIMES if name != "end" and getattr(given, name)},
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
