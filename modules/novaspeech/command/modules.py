"""`novaspeech modules`: what there is."""

from __future__ import annotations

import argparse
from typing import Any


def add_command(commands: Any) -> None:
    """Adds `modules` to the subparsers of `novaspeech`."""
    modules = commands.add_parser("modules", help="list the modules", description=_modules.__doc__)
    modules.set_defaults(command=_modules)


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
