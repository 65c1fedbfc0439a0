"""`make demo`: a recording goes through the real DISCOVER server; what came back is checked, drawn and summed up."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
from discover_utils.data.annotation import DiscreteAnnotation, FreeAnnotation
from discover_utils.data.handler.file_handler import FileHandler
from huggingface_hub import constants
from tqdm import tqdm
from transformers.utils.logging import disable_progress_bar

from demo.server import Server, ServerError, Status
from demo.standins import make_standin, options_of
from novaspeech.audio.recording import Recording
from novaspeech.errors import WeightsError
from novaspeech.formats.read import read_tracks
from novaspeech.models import downloads, hub
from novaspeech.module.catalogue import (
    Trainer,
    load_trainer,
    module_names,
    published_is_here,
    published_name,
    published_uri,
    standins,
)
from novaspeech.view.page import write_page
from novaspeech.view.pictures import draw_picture

DEMO = Path(__file__).resolve().parent
RECORDING = DEMO / "recording.flac"  # what each module is shown with

_PROGRESS = re.compile(r"^\S+: (\d+) of (\d+) windows")
_FAILED = re.compile(r"Processor exited with error: '(.*)'\.$|Job failed with exception (.*)")


class DemoError(RuntimeError):
    """The demo cannot go on; the message is for the person at the terminal."""


def main() -> int:
    """Runs the demo; 1 with one sentence on standard error if it cannot."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--model", action="append", default=[], metavar="[MODULE=]MODEL",
        help="id of a published model (fetched if need be), or a folder or checkpoint, instead of what is there "
        "already; MODULE= may be left out before a published id",
    )  # fmt: skip
    parser.add_argument("--port", type=int, help="the server's port on this machine (default: a free one)")
    parser.add_argument("--out", type=Path, default=DEMO / "out", help="folder for what it writes")
    given = parser.parse_args()
    out: Path = given.out.resolve()
    disable_progress_bar()  # of writing a stand-in
    rows = []
    try:
        if shutil.which("ffprobe") is None:
            raise DemoError("ffprobe is missing; install ffmpeg first (Debian, Ubuntu: sudo apt-get install ffmpeg)")
        models = dict(map(named_model, given.model))
        out.mkdir(parents=True, exist_ok=True)
        options = {name: choose_options(name, models.get(name), out) for name in module_names()}
        caches = {"HF_HUB_CACHE": str(hub.hub_cache()), "HF_ASSETS_CACHE": str(hub.asset_cache().parent)}
        follower = Follower()
        # As NOVA, which calls every server by https, would reach it.
        with Server(
            out / "server", DEMO.parent, environment=caches, port=given.port, echo=follower, tls=True
        ) as server:
            for trainer in map(load_trainer, module_names()):
                files, seconds = run_module(trainer, options[trainer.name], server, follower, out)
                count = check(trainer, files)
                picture, page = out / f"{trainer.name}.png", out / f"{trainer.name}.html"
                tracks = read_tracks(trainer.name, RECORDING, files)
                draw_picture(tracks, picture)
                write_page(tracks, page)
                rows.append((trainer.name, count, seconds, [*files, picture, page]))
    except (DemoError, ServerError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print_table(rows, out)
    return 0


def print_table(rows: Sequence[tuple[str, int, float, list[Path]]], out: Path) -> None:
    """Prints module, windows, seconds and files of each row."""
    width = max(map(len, module_names())) + 2
    print(f"\n{'module':<{width}}{'windows':>8}{'seconds*':>10}{'× real time':>13}  files in {os.path.relpath(out)}")
    audio_seconds = Recording.open(RECORDING).duration_ms / 1000
    for module, count, seconds, files in rows:
        names = ", ".join(file.name for file in files)
        print(f"{module:<{width}}{count:>8}{seconds:>10.1f}{audio_seconds / seconds:>13.1f}  {names}")
    print("* from the start of the session; loading the model is not counted")
    print("\nopen in a browser, to see and hear:")
    for *_, files in rows:
        print(f"  {files[-1].as_uri()}")
    module = next(name for name, standin in standins().items() if standin.small)
    small = "" if published_is_here(module) else " --set model=small"
    print(f"\na recording of yours:\n  {command()} run {module} RECORDING --out results{small}")


def command() -> str:
    """The command `novaspeech` of this environment, as it is typed here."""
    script = Path(sys.executable).with_name("novaspeech.exe" if os.name == "nt" else "novaspeech")
    python = shlex.quote(os.path.relpath(sys.executable))
    return shlex.quote(os.path.relpath(script)) if script.is_file() else f"{python} -m novaspeech"


def inputs_of(trainer: Trainer) -> dict[str, Path]:
    """A file for the module's recording, and for each of its further inputs that the demo has one for."""
    endings = {"stream": "flac", "annotation": "txt"}
    further = {
        entry.io_id: DEMO / f"{entry.io_id}.{endings[entry.io_data.split(':')[0]]}" for entry in trainer.inputs[1:]
    }
    there = {name: file for name, file in further.items() if file.is_file()}
    return {trainer.inputs[0].io_id: RECORDING, **there}


def named_model(text: str) -> tuple[str, str]:
    """Module and model of a `--model`."""
    module, equals, model = text.partition("=")
    if equals and module in module_names() and model:
        return module, model
    for name in module_names():
        if text == published_name(name):
            return name, text
    raise DemoError(
        f"{text!r} does not say which module it is for; write for example {module_names()[0]}={text.split('=')[-1]}"
    )


def offer(module: str) -> None:
    """Asks at a terminal whether a published model is to be fetched that is one file, if there is a network."""
    uri = published_uri(module)
    if uri is None or published_is_here(module) or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    size = size_of(uri)
    question = f"{module}: fetch {published_name(module)} ({hub.gigabytes(size)})? [y/N] "
    if size and input(question).strip().lower() in ("y", "yes"):
        try:
            downloads.fetch(uri)
        except WeightsError as error:
            print(f"{module}: {error}")


def size_of(uri: Any) -> int:
    """Bytes that a server states of what a `<uri>` names; 0 if it cannot be asked."""
    request = Request(uri.uri_url, headers={"User-Agent": "novaspeech"})
    with contextlib.suppress(OSError, HTTPException, TypeError, ValueError):
        if not constants.HF_HUB_OFFLINE:
            with urlopen(request, timeout=5) as answer:
                return int(answer.headers["Content-Length"])
    return 0


def choose_options(module: str, model: str | None, out: Path) -> dict[str, str]:
    """The job's options: with the model named, else the published one if it is cached, else a stand-in."""
    if model is None:
        offer(module)
    standin, published = standins().get(module), published_name(module)
    if standin is None:
        return {}
    if model and not (published_uri(module) and model == published):
        return {**standin.options, "model": str(Path(model).resolve()) if Path(model).exists() else model}
    if model or published_is_here(module):
        print(f"{module}: {published} from {hub.hub_cache()} or {hub.asset_cache().parent}.")
        return dict(standin.options)
    why = f"\n  ({standin.why_random})" if standin.why_random else ""
    meaning = (
        f"(it learnt from {standin.learnt_from}) takes its place. For the real\n  one"
        if standin.small
        else f"with RANDOM weights shows that everything runs; its numbers mean nothing{why}.\n  For the real ones"
    )
    print(
        f"{module}: {published} is not on this machine. A small stand-in of the\n"
        f"  same architecture {meaning}: make demo MODEL={published}, or MODEL={module}=/path/to/it."
    )
    if standin.small:
        return {**standin.options, "model": str(standin.small)}
    place = out / "stand-ins" / module
    place.parent.mkdir(exist_ok=True)
    return options_of(module, make_standin(module, place))


@dataclass
class Follower:
    """Shows on a bar how far the server's lines say that a job is.

    Attributes:
        bar: of the job.
        start: when its session began.
    """

    bar: Any = None
    start: float = 0.0

    def __call__(self, line: str) -> None:
        """Takes a line that the server prints."""
        if line.startswith("Processing session"):
            self.start = time.perf_counter()
        found = _PROGRESS.match(line)
        if found:
            self.bar.total = int(found[2])
            self.bar.update(int(found[1]) - self.bar.n)


def make_request(trainer: Trainer, inputs: Mapping[str, Path], out: Path, options: Mapping[str, str]) -> dict[str, str]:
    """A request for everything that a module gives, into files MODULE.OUTPUT.stream or .annotation."""
    kinds = {entry.io_id: entry.io_data for entry in (*trainer.inputs, *trainer.outputs)}
    places = dict(inputs)
    places |= {
        entry.io_id: out / f"{trainer.name}.{entry.io_id}.{entry.io_data.split(':')[0]}" for entry in trainer.outputs
    }
    data = [
        {"src": f"file:{kinds[name]}", "type": "input" if name in inputs else "output", "id": name, "uri": str(place)}
        for name, place in places.items()
    ]
    return {
        "jobID": trainer.name,
        "trainerFilePath": f"modules\\{trainer.name}\\{trainer.name}.trainer",
        "data": json.dumps(data),
        "options": json.dumps(dict(options)),
    }


def run_module(
    trainer: Trainer, options: Mapping[str, str], server: Server, follower: Follower, out: Path
) -> tuple[list[Path], float]:
    """What the server wrote, and the seconds it took once the model was loaded."""
    request = make_request(trainer, inputs_of(trainer), out, options)
    for left_over in out.glob(f"{trainer.name}.*"):
        left_over.unlink()
    before = len(server.output)
    with tqdm(desc=trainer.name, unit="window", dynamic_ncols=True) as follower.bar:
        follower.start = time.perf_counter()
        status = server.run(request, seconds=24 * 3600)
        seconds = time.perf_counter() - follower.start
    if status is not Status.FINISHED:
        said = server.output[before:]
        reasons = [next(filter(None, found.groups())) for line in said if (found := _FAILED.search(line))]
        raise DemoError(f"the job ended with {status.name}: {reasons[-1] if reasons else said[-1]}")
    return [Path(entry["uri"]) for entry in json.loads(request["data"]) if entry["type"] == "output"], seconds


def check(trainer: Trainer, files: list[Path]) -> int:
    """Number of windows, after a look at each output whether it can be right."""
    step = trainer.content.meta_frame_step
    count, rate = Recording.open(RECORDING).duration_ms // step, 1000 / step
    for file in files:
        output = FileHandler().load(file)
        if isinstance(output, (DiscreteAnnotation, FreeAnnotation)):  # has as many rows as were found
            continue
        if file.suffix == ".stream":
            found, whole = (
                output.meta_data.sample_rate,
                output.data.any(axis=1).all() and np.isfinite(output.data).all(),
            )
        else:
            found, whole = output.annotation_scheme.sample_rate, (output.data["conf"] == 1).all()
        if len(output.data) != 1 and (len(output.data), found) != (count, rate):  # one is of the whole recording
            raise DemoError(f"{file.name} has {len(output.data)} values at {found} Hz instead of {count} at {rate} Hz")
        if not whole:
            raise DemoError(f"{file.name} has windows that are empty or not finite")
    return int(count)


if __name__ == "__main__":
    raise SystemExit(main())
