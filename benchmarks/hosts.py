"""What a server needs before a module's first job, and whether it then computes what Python computes.

Each module gets a request for everything that it gives, on the demo's recording with its stand-in, twice, from a
DISCOVER server whose venv backend makes the module's environment for real: pip installs its requirements.txt, with the
versions of constraints.txt, which are to be those that run this script. Gigabytes are fetched; each environment is
deleted once its row is printed.

    python benchmarks/hosts.py [--only emow2v byols] [--folder DIR]

Prints a table: the seconds that the first job took longer than the second, so those of installing; those of the second,
which starts a process and loads the model; the size of the environment; and whether the outputs of both, all headers
and all data, are the bytes that Python writes here.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers.utils.logging import disable_progress_bar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))

import novaspeech
from benchmarks.machine import describe_machine
from demo.__main__ import inputs_of, make_request
from demo.server import Server, Status
from demo.standins import lay_out
from novaspeech.module.catalogue import load_trainer, module_names, standins

ROOT = Path(__file__).resolve().parents[1]
VENVS = Path("cache", "venvs")  # of a server's folder
HOUR = 3600.0


def run_job(server: Server, module: str, folder: Path) -> tuple[float, list[Path]]:
    """Seconds of a job, and the files that it wrote, in the order of the module's outputs.

    Raises:
        RuntimeError: it did not finish; the message is the end of its log.
    """
    folder.mkdir()
    trainer, standin = load_trainer(module), standins()[module]
    request = make_request(trainer, inputs_of(trainer), folder, {**standin.options, **standin.own_options})
    start = time.perf_counter()
    status = server.run(request, seconds=HOUR)
    seconds = time.perf_counter() - start
    if status is not Status.FINISHED:
        raise RuntimeError("\n".join(server.log(module).splitlines()[-10:]))
    return seconds, [Path(entry["uri"]) for entry in json.loads(request["data"]) if entry["type"] == "output"]


def by_python(module: str, model: Path, folder: Path) -> list[Path]:
    """The files that Python writes of the same."""
    trainer, standin = load_trainer(module), standins()[module]
    options: dict[str, Any] = {**standin.options, **standin.own_options, "model": str(model)}
    inputs = inputs_of(trainer)
    result = novaspeech.load(module, **options)(
        inputs.pop("audio"), [entry.io_id for entry in trainer.outputs], inputs=inputs
    )
    return result.save(folder)


def differing(files: Sequence[Path], expected: Sequence[Path]) -> list[str]:
    """Names of those that have other bytes, each header and its data by itself."""
    pairs = list(zip(files, expected, strict=True))
    pairs += [(Path(f"{one}~"), Path(f"{other}~")) for one, other in pairs]
    return [one.name for one, other in pairs if one.read_bytes() != other.read_bytes()]


def row(server: Server, module: str, model: Path, folder: Path) -> tuple[list[str], bool]:
    """A line of the table, and whether all bytes are the same."""
    first, files = run_job(server, module, folder / "first")
    second, again = run_job(server, module, folder / "second")
    expected = by_python(module, model, folder / "python")
    others = differing(files, expected) + differing(again, expected)
    made = [file for file in (server.folder / VENVS).rglob("*") if file.is_file() and not file.is_symlink()]
    same = f"all of {2 * len(files)}" if not others else f"not {', '.join(others)}"
    size = sum(file.stat().st_size for file in made) / 1e9
    return [module, f"{first - second:.0f}", f"{second:.1f}", f"{size:.1f}", same], not others


def main() -> int:
    """Prints the table; 1 if a job failed or a file differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=module_names(), default=module_names(), help="modules")
    parser.add_argument("--folder", help="where to make a folder for all that is written (default: the system's)")
    given = parser.parse_args()
    disable_progress_bar()
    print(describe_machine())
    columns = "module", "seconds to install", "seconds of the second job", "GB", "files with the same bytes"
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
    good = True
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        home = Path(name, "home")
        environment = {
            "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_ASSETS_CACHE": str(home / "assets"),
            "HF_HUB_OFFLINE": "1",
        }
        with Server(Path(name, "server"), ROOT, backend="venv", environment=environment) as server:
            for module in given.only:
                folder = Path(name, module)
                folder.mkdir()
                try:
                    cells, same = row(server, module, lay_out(module, home), folder)
                except RuntimeError as error:
                    print(f"{module}: {error}", file=sys.stderr)
                    cells, same = [module, "failed", "", "", ""], False
                print(f"| {' | '.join(cells)} |", flush=True)
                shutil.rmtree(server.folder / VENVS, ignore_errors=True)
                good &= same
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
