"""The command `novaspeech`: the modules without a server."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

import novaspeech
from novaspeech.command import (
    completion,
    convert,
    doctor,
    download,
    export,
    modules,
    new_module,
    plot,
    run,
    table,
    view,
)
from novaspeech.errors import NovaspeechError
from novaspeech.module.catalogue import command_modules
from novaspeech.terminal.arguments import INTERRUPTED
from novaspeech.wording import COMMAND, speaking

BROKEN_PIPE = 141  # the exit status that shells give programs ended by SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line. Gives 0, or 1 or a command's own `problem`, with a line for each problem."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal without UTF-8 shows \\u0105 in place of a letter
            stream.reconfigure(errors="backslashreplace")
    described = parser()
    if "_ARGCOMPLETE" in os.environ:
        completion.answer(described)
    given = described.parse_args(arguments)
    problem: int = getattr(given, "problem", 1)
    try:
        with speaking(COMMAND):
            status = int(given.command(given))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has enough of it. Python would complain when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (NovaspeechError, OSError) as error:
        if given.verbose:
            traceback.print_exc()
        print(f"novaspeech: {error}", file=sys.stderr)
        return problem
    except KeyboardInterrupt:
        print("novaspeech: interrupted", file=sys.stderr)
        return INTERRUPTED
    return status


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(prog="novaspeech", description=__doc__)
    parser.add_argument("--version", action="version", version=f"novaspeech {novaspeech.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for first in (run, table, convert, plot, view):
        first.add_command(commands)
    for module in command_modules():
        module.add_commands(commands)
    for more in (export, modules, download, doctor, new_module, completion):
        more.add_command(commands)
    for command in commands.choices.values():
        detail = command.add_mutually_exclusive_group()
        detail.add_argument("--quiet", action="store_true", help="say only what is wrong")
        detail.add_argument("--verbose", action="store_true", help="say more, and where in the code an error arose")
    return parser
