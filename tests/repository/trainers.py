"""The `optstr` of trainer files, from which NOVA draws its form: what each module's options say.

python -m tests.repository.trainers [--write]
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from novaspeech.module.catalogue import MODULES, module_names, options_of


def as_it_should_be(name: str) -> tuple[Path, str, str]:
    """A module's trainer file, its text, and that text with the `optstr` that the module's options mean."""
    file = MODULES / name / f"{name}.trainer"
    text, optstr = file.read_text(encoding="utf-8"), options_of(name).optstr()
    return file, text, re.sub(r'optstr="[^"]*"', lambda _: f'optstr="{optstr}"', text)


def main() -> int:
    """Lists the trainers that are behind their options, or with --write brings them up to date; 1 if some still are."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--write", action="store_true")
    write = parser.parse_args().write
    behind = [(file, wanted) for file, text, wanted in map(as_it_should_be, module_names()) if text != wanted]
    for file, wanted in behind:
        print(file)
        if write:
            file.write_text(wanted, encoding="utf-8")
    return int(bool(behind) and not write)


if __name__ == "__main__":
    raise SystemExit(main())
