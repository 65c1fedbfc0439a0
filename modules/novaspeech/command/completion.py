"""`novaspeech completion`: scripts by which a shell completes commands, options and modules."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from novaspeech.terminal.arguments import new_command


def add_command(commands: Any) -> None:
    """Adds `completion` to the subparsers of `novaspeech`."""
    completion = new_command(commands, "completion", _completion, help="complete commands in your shell")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def _completion(given: argparse.Namespace) -> int:
    """Prints a script by which a shell completes commands, options, modules and files; made by shtab.

    Examples:
        novaspeech completion bash > ~/.local/share/bash-completion/completions/novaspeech
        novaspeech completion zsh > ~/.zfunc/_novaspeech
    """
    import shtab

    from novaspeech.command.main import parser
    from novaspeech.module.catalogue import module_names

    described, names = parser(), module_names()
    [commands] = [action for action in described._actions if isinstance(action, argparse._SubParsersAction)]
    for action in (action for command in commands.choices.values() for action in command._actions):
        if action.dest == "module":
            action.choices = names
        elif action.type is Path or action.dest in ("audio", "out"):  # URLs have no type of their own
            action.complete = shtab.FILE
    print(shtab.complete(described, given.shell))
    return 0
