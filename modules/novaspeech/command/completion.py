"""`novaspeech completion`: scripts by which a shell asks what could stand at its cursor, and the answers."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from novaspeech.module.catalogue import OWN_MODEL
from novaspeech.terminal.arguments import new_command


def add_command(commands: Any) -> None:
    """Adds `completion` to the subparsers of `novaspeech`."""
    completion = new_command(commands, "completion", _completion, help="complete commands in your shell")
    completion.add_argument("shell", choices=("bash", "zsh", "fish", "tcsh"))


def _completion(given: argparse.Namespace) -> int:
    """Prints a script by which a shell completes commands, modules, their options, inputs, outputs, formats and files.

    Examples:
        novaspeech completion bash > ~/.local/share/bash-completion/completions/novaspeech
        novaspeech completion zsh > ~/.zfunc/_novaspeech
        novaspeech completion fish > ~/.config/fish/completions/novaspeech.fish
    """
    from argcomplete.shell_integration import shellcode

    print(shellcode(["novaspeech"], shell=given.shell))
    return 0


def answer(parser: argparse.ArgumentParser) -> None:
    """Tells a shell that asks what could stand at its cursor, by argcomplete, and ends the program."""
    import argcomplete

    [commands] = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    action: Any  # argcomplete looks for the attribute `completer`
    for action in (action for command in commands.choices.values() for action in command._actions):
        if action.dest in _OFFERS:
            action.completer = _OFFERS[action.dest]
    argcomplete.autocomplete(parser, always_complete_options=False)


def _modules(**asked: Any) -> list[str]:
    from novaspeech.module.catalogue import module_names

    return module_names()


def _named(parsed_args: argparse.Namespace) -> list[str]:
    """The modules before the cursor; all if there is none."""
    given = getattr(parsed_args, "module", None) or []
    named = [given] if isinstance(given, str) else given
    return [name for name in _modules() if name in named] or _modules()


def _options(prefix: str, parsed_args: argparse.Namespace, **asked: Any) -> Iterable[str]:
    from novaspeech.module.catalogue import options_of

    fields = {name: field for module in _named(parsed_args) for name, field in options_of(module).fields().items()}
    name, equals, value = prefix.partition("=")
    if not equals:
        return [f"{name}=" for name in fields]
    if name not in fields:
        return []
    choices = [f"{name}={choice}" for choice in fields[name].metadata["choices"]]
    return choices or (_files(name, value) if fields[name].metadata["file"] else [])


def _inputs(prefix: str, parsed_args: argparse.Namespace, **asked: Any) -> Iterable[str]:
    from novaspeech.module.catalogue import load_trainer

    name, equals, value = prefix.partition("=")
    trainers = map(load_trainer, _named(parsed_args))
    return _files(name, value) if equals else [f"{entry.io_id}=" for one in trainers for entry in one.inputs[1:]]


def _outputs(parsed_args: argparse.Namespace, **asked: Any) -> list[str]:
    from novaspeech.module.catalogue import load_trainer

    return [entry.io_id for name in _named(parsed_args) for entry in load_trainer(name).outputs]


def _formats(**asked: Any) -> tuple[str, ...]:
    from novaspeech.formats.files import FORMATS

    return FORMATS


def _files(name: str, value: str) -> list[str]:
    """NAME=FILE for each file or folder that begins with `value`."""
    from argcomplete.completers import FilesCompleter

    return [f"{name}={file}" for file in FilesCompleter()(value)]


def _models(prefix: str, **asked: Any) -> list[str]:
    from argcomplete.completers import FilesCompleter

    return [name for name in (OWN_MODEL, *FilesCompleter()(prefix)) if name.startswith(prefix)]


def _devices(**asked: Any) -> tuple[str, ...]:
    from novaspeech.module.options import ComputeOptions

    choices: tuple[str, ...] = ComputeOptions.fields()["device"].metadata["choices"]
    return choices


# Name of an argument → what it may be.
_OFFERS = {
    "module": _modules, "options": _options, "inputs": _inputs, "output": _outputs, "formats": _formats,
    "device": _devices, "model": _models,
}  # fmt: skip
