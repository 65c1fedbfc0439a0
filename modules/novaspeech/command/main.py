"""The command `novaspeech`: the modules without a server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from novaspeech.command import convert, export, modules, plot, run
from novaspeech.errors import NovaspeechError
from novaspeech.server.catalogue import command_modules


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and gives its exit status: 0, or with a line on standard error for each problem 1.

    A command that means something else by 1 sets `problem` to its own number.
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
    run.add_command(commands)
    convert.add_command(commands)
    plot.add_command(commands)
    for module in command_modules():
        module.add_commands(commands)
    export.add_command(commands)
    modules.add_command(commands)
    return parser
