"""`novaspeech modules`: what there is."""

from __future__ import annotations

import argparse
import json
from typing import Any

from novaspeech.terminal.arguments import new_command


def add_command(commands: Any) -> None:
    """Adds `modules` to the subparsers of `novaspeech`."""
    modules = new_command(commands, "modules", _modules, help="list the modules")
    modules.add_argument("module", nargs="*", help="names of those to list (default: all)")
    modules.add_argument("--json", action="store_true", help="for other programs")


def _modules(given: argparse.Namespace) -> int:
    """Lists modules, inputs, outputs and options with their defaults, from their trainer files.

    Examples:
        novaspeech modules
        novaspeech modules emow2v
        novaspeech modules --json
    """
    from novaspeech.module.catalogue import load_trainer, module_names

    found = [_described(load_trainer(name)) for name in given.module or module_names()]
    if given.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return 0
    for module in found:
        times = ", ".join(f"{name} {time} ms" for name, time in module["windows_ms"].items())
        print(f"{module['name']} {module['version']}\n  {module['description']}\n  windows  {times}")
        for kind in ("input", "output"):
            for entry in module[f"{kind}s"]:
                off = "" if entry["on_by_default"] else ", off by default"
                print(f"  {kind:<8} {entry['id']} ({entry['data']}){off}")
        for option in module["options"]:
            values = " | ".join(option["choices"]) or ("" if option["default"] is None else option["default"])
            print(f"  option   {option['name']} = {values}\n             {option['text']}")
    return 0


def _described(trainer: Any) -> dict[str, Any]:
    from novaspeech.module.catalogue import options_of

    meta = trainer.content
    options = [
        {"name": field.name, "default": field.default}
        | {key: field.metadata[key] for key in ("text", "choices", "minimum", "maximum")}
        for field in options_of(trainer.name).fields().values()
    ]
    entries = {
        f"{kind}s": [
            {"id": entry.io_id, "data": entry.io_data, "on_by_default": bool(entry.io_default_active)}
            for entry in getattr(trainer, f"{kind}s")
        ]
        for kind in ("input", "output")
    }
    return {
        "name": trainer.name,
        "version": trainer.version,
        "description": meta.meta_description,
        "windows_ms": {"frame": meta.meta_frame_step, "left": meta.meta_left_ctx, "right": meta.meta_right_ctx},
        **entries,
        "options": options,
    }
